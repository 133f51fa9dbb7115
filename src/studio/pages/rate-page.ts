import { type Pair, QUESTIONS, type Question } from '../../domain/evaluation/human-pairs.ts';
import type { HumanFigures, Vote } from '../../domain/evaluation/human-votes.ts';
import { figure } from '../../reports/render/markdown.ts';
import { may, type Role } from '../access/roles.ts';
import { block, type Html, html, shown } from './html.ts';
import { page } from './layout.ts';

/** What a rater has said so far; it travels in the form, so that nothing is kept here between two pairs. */
export interface RatingState {
  rater: string;
  votes: readonly Vote[];
  /** Answers about the pair that is shown. */
  partial: Partial<Record<Question, string>>;
}

/** Asks who rates; for those who look, what was said so far. */
export function ratersPage(p: {
  run: string;
  role: Role;
  /** Pairs to rate; null: none were made yet. */
  pairs: number | null;
  figures: readonly (HumanFigures & { against: string })[];
}): Html {
  const { run, role, pairs, figures } = p;
  const own = `/rate/${encodeURIComponent(run)}`;
  return page({
    ...{ title: `Rate ${run}`, role, at: '' },
    body: html`<h1>Which picture?</h1>
${
  pairs === null
    ? html`<p class="lead">There are no pairs of ${shown(run)} to rate yet.</p>${may(role, 'steer') ? html`<form method="post" action="${own}/pairs"><button>Make pairs</button></form>` : ''}`
    : html`<p class="lead">${pairs} pairs, three questions each. Say what you see; there is no right answer. You may stop at any time and continue later under the same name.</p>
<form method="post" action="${own}"><label>Your name <input name="rater" required maxlength="80" autocomplete="name"></label> <button>Begin</button></form>`
}
${may(role, 'look') ? figures.map(figuresTable) : ''}`,
  });
}

function figuresTable({ against, metrics, raters, selfAgreement }: HumanFigures & { against: string }): Html {
  const same =
    selfAgreement === null
      ? ''
      : `; the same answer to a repeated pair in ${Math.round(selfAgreement * 100)} %`;
  return html`<h2>Beside ${shown(against)}</h2>${block({
    kind: 'table',
    head: ['figure', 'win rate', 'bounds', 'votes'],
    right: [1, 2, 3],
    rows: Object.entries(metrics).map(([name, m]) => [
      { code: name },
      figure(m.estimate),
      `${figure(m.low)} … ${figure(m.high)}`,
      String(m.n),
    ]),
  })}<p class="caption">Rated by ${shown(raters.join(', '))}${same}.</p>`;
}

const KEYS = { left: 'ArrowLeft', same: 'ArrowDown', right: 'ArrowRight' } as const;
const WORDS = { left: 'Left', same: 'Same', right: 'Right' } as const;

/** One pair and one question about it; never whose picture is whose. */
export function pairPage(p: {
  run: string;
  role: Role;
  style: string;
  sheet: string;
  pair: Pair;
  place: number;
  pairs: number;
  question: Question;
  state: RatingState;
}): Html {
  const { run, pair, state, question, sheet } = p;
  const own = `/rate/${encodeURIComponent(run)}`;
  const image = (side: 'left' | 'right') =>
    html`<img src="${own}/image/${pair.id}/${side}" width="384" height="384" alt="${WORDS[side]} picture">`;
  return page({
    ...{ title: `Rate ${run}`, role: p.role, at: '' },
    body: html`<h1 class="question">${QUESTIONS[question]}</h1>
<p class="facts-line" role="status">Pair ${p.place} of ${p.pairs} · style: ${shown(p.style)}</p>
<p>${shown(pair.prompt)}</p>
<div class="versus">${image('left')}${image('right')}</div>
<form class="answers" method="post" action="${own}">
<input type="hidden" name="rater" value="${state.rater}"><input type="hidden" name="sheet" value="${sheet}">
<input type="hidden" name="votes" value="${JSON.stringify(state.votes)}">
<input type="hidden" name="pair" value="${pair.id}"><input type="hidden" name="partial" value="${JSON.stringify(state.partial)}">
${(['left', 'same', 'right'] as const).map((answer) => html`<button name="${question}" value="${answer}" data-key="${KEYS[answer]}">${WORDS[answer]}</button>`)}
</form>
<form class="actions" method="post" action="${own}/save"><input type="hidden" name="rater" value="${state.rater}"><input type="hidden" name="sheet" value="${sheet}"><input type="hidden" name="votes" value="${JSON.stringify(state.votes)}"><button${state.votes.length === 0 ? html` disabled` : ''}>Save and stop</button> <span class="caption">Keys: ← ↓ →</span></form>`,
  });
}

/** Says that the votes are on the record. */
export function ratedPage(p: { run: string; role: Role; votes: number; pairs: number }): Html {
  return page({
    ...{ title: `Rate ${p.run}`, role: p.role, at: '' },
    body: html`<h1>Thank you</h1><p class="lead" role="status">${p.votes} of ${p.pairs} pairs are on the record.</p>
<p><a href="/rate/${encodeURIComponent(p.run)}">${p.votes < p.pairs ? 'Continue' : 'Back to the start'}</a></p>`,
  });
}
