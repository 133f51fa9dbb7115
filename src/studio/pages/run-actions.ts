import type { RunView } from '../live/run-view.ts';
import { type Html, html } from './html.ts';

/** What a person may do to a run now, as forms that need no script. */
export function actions({ snapshot, workflowId }: RunView): Html {
  if (snapshot === null) return html``;
  const to = (action: string) => `/runs/${encodeURIComponent(workflowId)}/${action}`;
  const again = html`<a class="button" href="/start?again=${encodeURIComponent(workflowId)}">Again with changes</a>`;
  const more = snapshot.type === 'fineTune' ? again : '';
  if (snapshot.execution !== 'RUNNING') return html`<div class="actions">${more}</div>`;
  const state = snapshot.status?.state ?? null;
  const isPaused = state === 'paused' || state === 'pausing' || snapshot.study?.paused === true;
  return html`${state === 'waiting-for-approval' ? decision(to) : ''}
<div class="actions">
${isPaused ? button(to('resume'), 'Resume') : button(to('pause'), 'Pause')}
<details class="confirm"><summary class="button">Cancel …</summary>
<form method="post" action="${to('cancel')}"><p>Saves a checkpoint and ends the run. It can be resumed from there.</p>
<button class="danger">End the run</button></form></details>
${more}
</div>`;
}

function button(action: string, name: string): Html {
  return html`<form method="post" action="${action}"><button>${name}</button></form>`;
}

function decision(to: (action: string) => string): Html {
  return html`<form class="decision" method="post" action="${to('approve')}">
<h2>Decide</h2>
<p>The images and the gate’s rules are below. Name and reason go into the record.</p>
<label>Your name <input name="by" required maxlength="80" autocomplete="name"></label>
<label>Reason <textarea name="reason" required maxlength="500" rows="2"></textarea></label>
<p class="actions"><button class="good">Approve</button> <button class="danger" formaction="${to('reject')}">Reject</button></p>
</form>`;
}
