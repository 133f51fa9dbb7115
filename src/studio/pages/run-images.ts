import type { Verdict } from '../../domain/evaluation/gate.ts';
import { gateTable } from '../../reports/pages/report-judgment.ts';
import { gateRow } from '../../reports/records/evaluation-records.ts';
import type { SamplePair, StoredRun } from '../live/run-records.ts';
import type { RunView } from '../live/run-view.ts';
import { block, type Html, html, mark, shown } from './html.ts';
import { factsOf } from './run-head.ts';

/** Address of an image in a run's record, as Studio passes it on; `width` in pixels at most. */
export function imageUrl(workflowId: string, record: string, path: string, width?: number): string {
  const small = width === undefined ? '' : `?w=${width}`;
  return `/runs/${encodeURIComponent(workflowId)}/image/${record}/${path}${small}`;
}

/** Validation images, a strip a step: all of them, and with a script one at a time under a slider. */
export function strips({ stored, workflowId }: RunView): Html {
  if (stored?.record == null || stored.strips.length === 0) return html``;
  const { record } = stored;
  const newest = stored.strips.at(-1)?.step ?? 0;
  return html`<h2>Images while it learns</h2>
<div class="steps" data-slider="step">${stored.strips.map(
    ({ step, path }) =>
      html`<figure data-at="${step}"><figcaption>step ${step}</figcaption><a href="${imageUrl(workflowId, record, path)}"><img src="${imageUrl(workflowId, record, path, 1024)}" loading="${step === newest ? 'eager' : 'lazy'}" alt="Images after step ${step} of training"></a></figure>`,
  )}</div>
<p class="caption">The same captions and the same noise each time, with the adapter as it was then.</p>`;
}

/** Samples that are seen at once; the others are a touch away. */
const SHOWN = 8;

/** The standard samples of base and candidate side by side, and the rules of the gate. */
export function judgment(view: RunView): Html {
  const { stored } = view;
  const decided = factsOf(view)?.gate ?? null;
  const verdict = stored?.verdict ?? null;
  if (stored === null || (verdict === null && decided === null && stored.samples.length === 0)) return html``;
  const word = verdict?.verdict ?? decided?.verdict ?? null;
  const tone = word === 'PASS' ? 'good' : word === 'FAIL' ? 'bad' : 'unsure';
  return html`<h2>Before and after</h2>${samples(view, stored)}
<h2>The gate${word === null ? '' : html` says ${mark(word, tone)}`}</h2>
${verdict === null ? '' : rules(verdict)}`;
}

function rules({ problems, rules: all }: Verdict): Html {
  const open = all.filter(({ outcome }) => outcome !== 'pass');
  return html`${problems.map((problem) => html`<p>${shown(problem)}</p>`)}
<p>${all.length - open.length} of ${all.length} rules hold${open.length === 0 ? '.' : ', these do not:'}</p>
${open.length === 0 ? '' : block(gateTable(open.map(gateRow)))}
<details><summary>All rules with their figures</summary>${block(gateTable(all.map(gateRow)))}</details>`;
}

function samples({ workflowId }: RunView, { samples: pairs, record, config }: StoredRun): Html {
  if (pairs.length === 0 || record === null) return html``;
  const ending = config === null ? '' : `, ${config.dataset.trigger}`;
  const shownPairs = pairs.map((pair) =>
    pairFigure(workflowId, record, { ...pair, prompt: without(pair.prompt, ending) }),
  );
  return html`<div class="samples pairs">${shownPairs.slice(0, SHOWN)}</div>${
    shownPairs.length <= SHOWN
      ? ''
      : html`<details><summary>${shownPairs.length - SHOWN} more</summary><div class="samples pairs">${shownPairs.slice(SHOWN)}</div></details>`
  }`;
}

function without(prompt: string, ending: string): string {
  return ending !== '' && prompt.endsWith(ending) ? prompt.slice(0, -ending.length) : prompt;
}

function pairFigure(workflowId: string, record: string, pair: SamplePair): Html {
  const image = (path: string | null, who: string) =>
    path === null
      ? html``
      : html`<div><a href="${imageUrl(workflowId, record, path)}"><img src="${imageUrl(workflowId, record, path, 384)}" loading="lazy" width="384" height="384" alt="${shown(pair.prompt)}, ${who}"></a><span class="who">${who}</span></div>`;
  return html`<figure><figcaption>${shown(pair.prompt)} <span class="who">seed ${pair.seed}</span></figcaption><div class="beside">${image(pair.base, 'base')}${image(pair.production, 'in production')}${image(pair.candidate, 'with the style')}</div></figure>`;
}
