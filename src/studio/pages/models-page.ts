import type { ComparedFigure, Difference } from '../../releases/compare.ts';
import type { ModelStanding, Standing } from '../../releases/standing.ts';
import type { Tone } from '../../reports/render/blocks.ts';
import { figure } from '../../reports/render/markdown.ts';
import { may, type Role } from '../access/roles.ts';
import { block, type Html, html, mark, shown, time } from './html.ts';
import { page } from './layout.ts';

/** Models that runs were about. */
export function modelsPage(models: readonly string[], role: Role): Html {
  return page({
    ...{ title: 'Models', role, at: '/models' },
    body: html`<h1>Models</h1>${
      models.length === 0
        ? html`<p class="lead">No run names a model yet.</p>`
        : html`<ul>${models.map((model) => html`<li><a href="/models/${encodeURIComponent(model)}">${shown(model)}</a></li>`)}</ul>`
    }`,
  });
}

const TONE: Record<Standing['state'], Tone> = {
  production: 'good',
  previous: 'unsure',
  'released before': 'quiet',
  'taken back': 'bad',
  'never served': 'quiet',
};

/** A model's releases, what is served, and the forms to compare and to roll back. */
export function modelPage(
  model: string,
  standing: ModelStanding,
  p: { role: Role; done: string | null },
): Html {
  const { releases, production, served, agrees } = standing;
  const own = `/models/${encodeURIComponent(model)}`;
  const tags = releases.map(({ entry }) => entry.tag);
  const space =
    served === null
      ? 'there is no Space'
      : `its Space serves ${served.tag}, ${agrees ? 'the same bytes' : 'NOT what production names'}`;
  return page({
    ...{ title: model, role: p.role, at: '/models' },
    body: html`<h1>${shown(model)}</h1>
${p.done === null ? '' : html`<p class="banner tone-good" role="status">${p.done}</p>`}
<p class="lead">${production === null ? 'Nothing is in production' : html`${production} is in production`}; ${space}.</p>
${releases.length === 0 ? html`<p>Nothing was released yet.</p>` : html`<table class="runs"><thead><tr><th scope="col">release</th><th scope="col">state</th><th scope="col">run</th><th scope="col" class="number">held-out loss</th><th scope="col">adapter</th><th scope="col">last moved</th></tr></thead><tbody>${releases.map(releaseRow)}</tbody></table>`}
${tags.length < 2 ? '' : compareForm(own, tags)}
${may(p.role, 'steer') && tags.length > 0 ? rollbackForm(own, tags, production) : ''}`,
  });
}

function releaseRow({ entry, state, journal }: Standing): Html {
  const { tag, provenance } = entry;
  const at = journal.at(-1)?.at;
  const { workflowId, run } = provenance.context;
  return html`<tr><th scope="row">${tag}</th><td>${mark(state, TONE[state])}</td><td><a href="/runs/${encodeURIComponent(workflowId)}">${shown(run)}</a></td><td class="number">${figure(provenance.training.heldOutLoss)}</td><td><code>${provenance.adapter.sha256.slice(0, 12)}</code></td><td>${at === undefined ? '' : time(at)}</td></tr>`;
}

function options(tags: readonly string[], chosen: string | undefined): Html[] {
  return tags.map((tag) => html`<option${tag === chosen ? html` selected` : ''}>${tag}</option>`);
}

function compareForm(own: string, tags: readonly string[]): Html {
  return html`<h2>Compare</h2><form class="filters" method="get" action="${own}/compare">
<label>Left <select name="left">${options(tags, tags[1])}</select></label>
<label>Right <select name="right">${options(tags, tags[0])}</select></label>
<button>Compare</button></form>`;
}

function rollbackForm(own: string, tags: readonly string[], production: string | null): Html {
  const others = tags.filter((tag) => tag !== production);
  if (others.length === 0) return html``;
  return html`<h2>Roll back</h2><details class="confirm"><summary class="button">Put another release into production …</summary>
<form method="post" action="${own}/rollback">
<label>Release <select name="to">${options(others, others[0])}</select></label>
<label>Your name <input name="by" required maxlength="80" autocomplete="name"></label>
<label>Reason <input name="reason" required maxlength="500"></label>
<button class="danger">Roll back</button></form></details>`;
}

/** What two releases painted for one prompt and seed. */
export interface ComparedSample {
  id: string;
  prompt: string;
  seed: number;
}

/** Two releases side by side: pictures, figures, and all that they differ in. */
export function comparePage(p: {
  role: Role;
  model: string;
  left: string;
  right: string;
  samples: readonly ComparedSample[];
  figures: readonly { metric: string; left: ComparedFigure; right: ComparedFigure }[];
  differences: readonly Difference[];
}): Html {
  const { model, left, right, samples } = p;
  const own = `/models/${encodeURIComponent(model)}`;
  const cell = (f: ComparedFigure) =>
    f === null ? 'not measured' : `${figure(f.estimate)} [${figure(f.low)}, ${figure(f.high)}]`;
  const image = (tag: string, { id, prompt }: ComparedSample) =>
    html`<div><img src="${own}/sample/${tag}/${id}.png?w=384" loading="lazy" width="384" height="384" alt="${shown(prompt)}, ${tag}"><span class="who">${tag}</span></div>`;
  return page({
    ...{ title: `${model}: ${left} and ${right}`, role: p.role, at: '/models' },
    body: html`<h1><a href="${own}">${shown(model)}</a>: ${left} and ${right}</h1>
<h2>The same prompts and seeds</h2>
${samples.length === 0 ? html`<p>They were judged on different samples: none has the same prompt and seed.</p>` : ''}
<div class="samples pairs">${samples.map((sample) => html`<figure><figcaption>${shown(sample.prompt)} <span class="who">seed ${sample.seed}</span></figcaption><div class="beside">${image(left, sample)}${image(right, sample)}</div></figure>`)}</div>
<h2>Figures</h2>${block({ kind: 'table', head: ['metric', left, right], rows: p.figures.map((f) => [{ code: f.metric }, cell(f.left), cell(f.right)]) })}
<h2>What differs</h2>${block({ kind: 'table', head: ['field', left, right], rows: p.differences.map((d) => [{ code: d.field }, String(d.left ?? ''), String(d.right ?? '')]) })}`,
  });
}
