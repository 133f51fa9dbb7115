import { describe, expect, it } from '@jest/globals';
import { WorkflowFailedError } from '@temporalio/client';
import {
  ActivityFailure,
  ApplicationFailure,
  CancelledFailure,
  ChildWorkflowFailure,
  TimeoutFailure,
} from '@temporalio/common';
import { outcomeLines } from '../../../src/cli/outcome.ts';
import { ERROR_KIND_NAMES, ERROR_KINDS } from '../../../src/domain/errors.ts';
import { Provenance } from '../../../src/domain/release/provenance.ts';
import { describeOutcome, exitCodeOf, type Outcome, outcomeOf } from '../../../src/domain/run/outcome.ts';
import { PHASES, type PhaseRecord } from '../../../src/domain/run/phases.ts';
import type { RunResult, RunStatus } from '../../../src/domain/run/run-result.ts';
import { RunSummary } from '../../../src/domain/run/summary.ts';
import { modelCard } from '../../../src/reports/cards/cards.ts';
import { runReport } from '../../../src/reports/pages/run-report.ts';
import { NO_EVALUATION, NO_TRAINING } from '../../../src/reports/records/from-records.ts';
import { describeRun } from '../../../src/workflows/support/describe-run.ts';
import { describeFailure } from '../../../src/workflows/support/failures.ts';
import { fullValue } from '../full-record.ts';

const full = fullValue(RunSummary);
const gate = (verdict: 'PASS' | 'FAIL' | 'INCONCLUSIVE') => ({ ...full.gate, verdict, reasons: [] }) as never;
const decided = (decision: 'approved' | 'rejected') => ({ decision, by: 'Ada', reason: 'I looked', at: 1 });
const phases = (more: Partial<Record<PhaseRecord['name'], PhaseRecord['status']>> = {}): PhaseRecord[] =>
  PHASES.map((name) => ({
    ...{ name, status: more[name] ?? 'done' },
    ...{ startedAt: 1, endedAt: 2, result: '' },
  }));

/** Every outcome, the facts that it follows from, the words that tell it, and the exit code. */
const CASES: [Outcome['kind'], Partial<RunSummary>, RegExp, number][] = [
  ['released', { gate: gate('PASS'), approval: null }, /passed every rule.*in production/, 0],
  ['released', { gate: gate('PASS'), approval: decided('approved') }, /passed every rule/, 0],
  [
    'released-against-gate',
    { gate: gate('FAIL'), approval: decided('approved') },
    /gate said FAIL.*Ada released .* anyway.*I looked/,
    0,
  ],
  ['refused', { gate: gate('FAIL'), release: null, approval: null }, /FAIL: nothing was released/, 10],
  ['refused', { gate: gate('FAIL'), release: null, approval: decided('rejected') }, /nothing was/, 10],
  ['inconclusive', { gate: gate('INCONCLUSIVE'), release: null, approval: null }, /More samples may/, 10],
  ['rejected', { gate: gate('PASS'), release: null, approval: decided('rejected') }, /Ada rejected it/, 10],
  [
    'not-approved',
    { gate: gate('PASS'), release: null, approval: null, phases: phases({ deploy: 'skipped' }) },
    /nobody approved it in time/,
    10,
  ],
  [
    'waiting',
    { gate: gate('PASS'), release: null, approval: null, phases: phases({ gate: 'running' }) },
    /passed its gate and waits/,
    0,
  ],
  [
    'waiting',
    { gate: gate('FAIL'), release: null, approval: null, phases: phases({ gate: 'running' }) },
    /gate said FAIL.*only if a person approves/,
    0,
  ],
  [
    'cancelled',
    { failure: { kind: 'Cancelled', message: 'x' } },
    /cancelled. Training progress is saved/,
    130,
  ],
  ['failed', { failure: { kind: 'BadData', message: 'too few' } }, /BadData: too few/, 3],
  ['unfinished', { gate: null, release: null }, /no verdict yet/, 0],
];

describe.each(CASES)('the outcome %s', (kind, facts, words, exitCode) => {
  const summary: RunSummary = { ...full, phases: phases(), failure: null, ...facts };
  const outcome = outcomeOf(summary);
  const { word, sentence } = describeOutcome(outcome);
  const passed = kind === 'released' || summary.gate?.verdict === 'PASS';

  it('follows from the run’s facts, has its exit code and says what happened', () => {
    expect(outcome.kind).toBe(kind);
    expect(exitCodeOf(outcome)).toBe(exitCode);
    expect(sentence).toMatch(words);
    expect(/passed/.test(sentence) && !passed).toBe(false);
  });

  it('is told in the same words by report, command line and Temporal’s UI', async () => {
    const { document } = await runReport({
      ...{ endpoint: 'http://hub', summary, manifest: null, contactSheets: { kept: null, dropped: null } },
      ...{ validationImages: [], fingerprint: {} },
      ...NO_TRAINING,
      gpuSessions: null,
      ...NO_EVALUATION,
    });
    expect(document.outcome).toMatchObject({ word, sentence });
    const { failure, ...result } = summary;
    if (failure === null)
      expect(outcomeLines(result as unknown as RunResult, 'http://hub').join('\n')).toContain(sentence);
    const status = { ...summary, run: 'r', profile: 'tiny', state: 'done', needs: null, gpu: null };
    const details = describeRun(status as unknown as RunStatus);
    if (kind !== 'unfinished') expect(details).toContain(`**${word}:** ${sentence}`);
  });
});

describe('the card of a release', () => {
  it.each(['PASS', 'FAIL', 'INCONCLUSIVE'] as const)('opens with how it came out: %s', (verdict) => {
    const { overruled: _, ...made } = { ...fullValue(Provenance), approval: decided('approved') };
    const provenance = { ...made, ...(verdict === 'PASS' ? {} : { overruled: verdict }) };
    const none = { gate: [], informative: [], samples: [], images: null, curves: false, grid: false };
    const card = modelCard({ provenance, ...none });
    expect(/passed every rule/.test(card)).toBe(verdict === 'PASS');
    if (verdict !== 'PASS') expect(card).toContain(`The gate said ${verdict}. Ada released`);
  });
});

describe('the failure of a workflow', () => {
  const layers = (cause: Error) => [
    cause,
    new ActivityFailure('Activity task failed', 'train', '1', 'NON_RETRYABLE_FAILURE', 'worker', cause),
    new ChildWorkflowFailure(
      'default',
      { workflowId: 'w', runId: 'r' },
      'tune',
      'NON_RETRYABLE_FAILURE',
      cause,
    ),
  ];
  const ended = (cause: Error) =>
    new WorkflowFailedError('Workflow execution failed', cause, 'NON_RETRYABLE_FAILURE');

  it.each(ERROR_KIND_NAMES)('keeps kind %s, its words and its exit code through every layer', (kind) => {
    for (const inner of layers(ApplicationFailure.create({ type: kind, message: 'expected so, got else' }))) {
      const failure = describeFailure(ended(inner));
      expect(failure).toEqual({ kind, message: 'expected so, got else' });
      const outcome = outcomeOf({ phases: [], gate: null, approval: null, release: null, failure });
      expect(exitCodeOf(outcome)).toBe(ERROR_KINDS[kind].exitCode);
    }
  });

  it('tells cancellations, used up budgets and faults of ours apart', () => {
    for (const inner of layers(new CancelledFailure('cancelled')))
      expect(describeFailure(ended(inner)).kind).toBe('Cancelled');
    for (const inner of layers(new TimeoutFailure('timeout', undefined, 'SCHEDULE_TO_CLOSE')))
      expect(describeFailure(ended(inner)).kind).toBe('BudgetExhausted');
    expect(describeFailure(new TypeError('x is not a function'))).toEqual({
      ...{ kind: 'Internal', message: 'x is not a function' },
    });
  });
});
