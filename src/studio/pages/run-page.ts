import type { Role } from '../access/roles.ts';
import { may } from '../access/roles.ts';
import type { RunView } from '../live/run-view.ts';
import { type Html, html, shown } from './html.ts';
import { type Fragments, missingBanner, page, place } from './layout.ts';
import { actions } from './run-actions.ts';
import { curve, figures, sessions } from './run-figures.ts';
import { head, needs, phases } from './run-head.ts';
import { judgment, strips } from './run-images.ts';

/** Fragments that only they may see who steer. */
export const STEERING: ReadonlySet<string> = new Set(['actions']);

/** Every part of a run's page. */
export function runFragments(view: RunView): Fragments {
  return {
    missing: missingBanner(view.missing),
    head: head(view),
    needs: needs(view),
    actions: actions(view),
    figures: figures(view),
    curve: curve(view),
    strips: strips(view),
    judgment: judgment(view),
    sessions: sessions(view),
    phases: phases(view),
  };
}

/** A run's page; `done` is a sentence on what was just done. */
export function runPage(
  view: RunView,
  p: { role: Role; done: string | null; temporalUi: string | null },
): Html {
  const { workflowId, stored } = view;
  const fragments = runFragments(view);
  const visible = Object.keys(fragments).filter((id) => !STEERING.has(id) || may(p.role, 'steer'));
  const own = `/runs/${encodeURIComponent(workflowId)}`;
  return page({
    ...{ title: workflowId, role: p.role, at: '/', live: `${own}/live` },
    body: html`<h1>${shown(workflowId)}</h1>
${p.done === null ? '' : html`<p class="banner tone-good" role="status">${p.done}</p>`}
${visible.map((id) => place(id, fragments))}
<p class="caption">${(stored?.samples.length ?? 0) > 0 && may(p.role, 'rate') ? html`<a href="/rate/${encodeURIComponent(workflowId)}">Rate blind pairs</a> · ` : ''}${(stored?.sheets.length ?? 0) > 0 ? html`<a href="${own}/data">The pictures it learns from</a> · ` : ''}${
      stored?.hasReport === true ? html`<a href="${own}/report">Report</a> · ` : ''
    }${p.temporalUi === null ? '' : html`<a href="${p.temporalUi}/namespaces/default/workflows/${encodeURIComponent(workflowId)}" rel="noreferrer">Events in Temporal’s UI</a>`}</p>`,
  });
}
