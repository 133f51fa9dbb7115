import { describeOutcome, outcomeOf } from '../../domain/run/outcome.ts';
import { PHASES, type PhaseRecord } from '../../domain/run/phases.ts';
import type { RunStatus } from '../../domain/run/run-result.ts';
import { OUTCOME_TONES, phaseTable } from '../../reports/pages/run-report.ts';
import type { Tone } from '../../reports/render/blocks.ts';
import { duration } from '../../reports/render/markdown.ts';
import { stateOf } from '../../runs/list-runs.ts';
import type { PendingActivity, RunSnapshot } from '../../runs/run-snapshot.ts';
import type { RunView } from '../live/run-view.ts';
import { block, type Html, html, mark, shown, time } from './html.ts';

const TONES: Record<string, Tone> = {
  running: 'quiet',
  done: 'good',
  refused: 'bad',
  failed: 'bad',
  timed_out: 'bad',
};

/** Color of a run's state; one that asks for attention by default. */
export function toneOfState(state: string): Tone {
  return TONES[state] ?? 'unsure';
}

/** What the run says of itself: its answer to `status`, or what it stored at its end. */
type RunFacts = Pick<RunStatus, 'model' | 'profile' | 'phases' | 'gate' | 'approval' | 'release' | 'failure'>;

/** The newest facts known; null: neither Temporal nor the Hub has any. */
export function factsOf({ snapshot, stored }: RunView): RunFacts | null {
  if (snapshot?.status != null) return snapshot.status;
  if (stored?.summary == null) return null;
  const { context, phases: recorded, gate, approval, release, failure } = stored.summary;
  const { model, profile } = context.config;
  // The summary is written inside the last phase: the report beside it says that this one ended, too.
  const ended = recorded.filter(({ name }) => name !== 'document' || !stored.hasReport);
  return { ...{ model, profile, phases: ended, gate, approval, release }, failure };
}

/** The run's state in a word. */
function stateIn({ snapshot, stored }: RunView, facts: RunFacts | null): string {
  if (snapshot === null) return stored?.summary == null ? 'unknown' : 'ended';
  const { execution, status } = snapshot;
  return stateOf({ execution, state: status?.state ?? '', verdict: facts?.gate?.verdict ?? '' });
}

/** State, phases as a line, and progress of what is under way. */
export function head(view: RunView): Html {
  const { snapshot } = view;
  const facts = factsOf(view);
  const state = stateIn(view, facts);
  const known = facts === null ? '' : `${shown(facts.model)} · profile ${shown(facts.profile)} · `;
  return html`<p class="state" aria-live="polite">${mark(state, toneOfState(state))} ${outcomeSentence(view, facts)}</p>
<p class="facts-line">${known}${snapshot === null ? '' : took(snapshot)}</p>
${facts === null ? '' : phaseLine(facts.phases)}
${snapshot?.execution === 'RUNNING' ? progressOf(snapshot) : ''}`;
}

function took({ startedAt, closedAt }: RunSnapshot): Html {
  const seconds = closedAt === null ? null : (closedAt.getTime() - startedAt.getTime()) / 1000;
  return html`began ${time(startedAt)}${seconds === null ? '' : ` · took ${duration(seconds)}`}`;
}

function outcomeSentence({ snapshot }: RunView, facts: RunFacts | null): Html {
  if (snapshot?.execution === 'RUNNING') return html``;
  const failure = snapshot?.failure ?? facts?.failure ?? null;
  const nothing = { phases: [], gate: null, approval: null, release: null };
  const outcome = outcomeOf({ ...(facts ?? nothing), failure });
  if (outcome.kind === 'unfinished') return html``;
  const { word, sentence } = describeOutcome(outcome);
  return html`<span class="tone-${OUTCOME_TONES[outcome.kind]}"><strong>${word}.</strong></span> ${shown(sentence)}`;
}

const SYMBOLS: Record<PhaseRecord['status'], string> = {
  pending: '○',
  running: '◐',
  done: '●',
  cached: '●',
  skipped: '–',
  failed: '✕',
  cancelled: '✕',
};

function phaseLine(phases: readonly PhaseRecord[]): Html {
  const of = (name: string) => phases.find((phase) => phase.name === name);
  const listed = PHASES.filter((name) => of(name) !== undefined);
  return html`<ol class="phases" aria-label="Phases">${listed.map((name) => {
    const status = of(name)?.status ?? 'pending';
    return html`<li class="phase-${status}"><span aria-hidden="true">${SYMBOLS[status]}</span> ${name}<span class="hidden">: ${status}</span></li>`;
  })}</ol>`;
}

/** The work under way: its newest heartbeat, or that it waits. */
export function activeWork(snapshot: RunSnapshot): PendingActivity | null {
  return snapshot.pending.find(({ progress }) => progress !== null) ?? snapshot.pending[0] ?? null;
}

function progressOf(snapshot: RunSnapshot): Html {
  const active = activeWork(snapshot);
  if (active === null) return html``;
  const { type, running, progress, attempt, waitingSince, worker } = active;
  if (!running) {
    const since =
      waitingSince === null ? '' : ` for ${duration((Date.now() - waitingSince.getTime()) / 1000)}`;
    return html`<p class="progress-line">${type} waits for a worker${since}, attempt ${attempt}</p>`;
  }
  if (progress === null || progress.total === 0)
    return html`<p class="progress-line">${type} on ${shown(worker ?? 'a worker')}</p>`;
  const left = progress.etaSeconds === null ? '' : `, ${duration(progress.etaSeconds)} left`;
  const words = `${progress.stage} ${progress.done} of ${progress.total}${left}`;
  return html`<p class="progress-line"><label><progress max="${progress.total}" value="${progress.done}"></progress> <span>${shown(words)}</span></label></p>`;
}

/** Why a run stands still, and what a person has to do. */
export function needs({ snapshot, obstacles, stored }: RunView): Html {
  if (snapshot === null) return html``;
  const sentences: string[] = [];
  const { status, study, execution, failingTask, failure, workflowId } = snapshot;
  if (status?.needs != null) sentences.push(status.needs);
  if (failingTask !== null)
    sentences.push(
      `Workflow task failed ${failingTask.attempts} times: ${failingTask.message} (docs/runbook.md, TMPRL1100)`,
    );
  else if (execution === 'RUNNING' && status === null && study === null)
    sentences.push('The run did not answer: no pipeline worker is free to ask');
  for (const { type, attempt, lastFailure, running } of snapshot.pending)
    if (lastFailure !== null && attempt > 1)
      sentences.push(
        `${type}${running ? ' runs again' : ' waits'}, attempt ${attempt}, after: ${lastFailure.split('\n')[0]}`,
      );
  if (failure !== null) sentences.push(`What is saved can be continued: plein-air resume ${workflowId}`);
  sentences.push(...obstacles, ...(stored?.problems ?? []));
  if (sentences.length === 0) return html``;
  return html`<section class="needs" aria-label="What needs attention"><ul>${sentences.map((s) => html`<li>${shown(s)}</li>`)}</ul></section>`;
}

/** What each phase did. */
export function phases(view: RunView): Html {
  const facts = factsOf(view);
  return facts === null ? html`` : html`<h2>Phases</h2>${block(phaseTable(facts.phases))}`;
}
