import { PHASES } from '../../src/domain/run/phases.ts';
import type { RunSummary } from '../../src/domain/run/summary.ts';
import type { Trial } from '../../src/domain/tuning/search-space.ts';
import type { Hub } from '../../src/hub/hub.ts';
import { runInTest } from './run-in-test.ts';

/** A run that went all the way, with text in it that must not become markup. */
export async function wholeSummary(hub: Hub, run: string): Promise<RunSummary> {
  const { context, dataset, training, evaluation, gate } = await runInTest({ hub, namespace: 'team', run });
  return {
    context,
    phases: PHASES.map((name, i) => ({
      ...{ name, status: 'done', startedAt: i * 1000, endedAt: i * 1000 + 900 },
      result: '<script>alert(1)</script> | [x](javascript:1)',
    })),
    dataset,
    analysis: {
      ...{ verdict: 'ready', reasons: ['Enough <b>pictures</b>.'], cached: false },
      record: { ...evaluation.report, path: 'records/analysis.json' },
    },
    study: {
      strategy: 'gp',
      chosen: 1,
      trials: [trial(0, { learningRate: 1e-3 }, 0.5), trial(1, { learningRate: 2e-3 }, 0.4)],
      parameters: { learningRate: 2e-3 },
      pruner: 'none',
      confirmations: [],
      stopped: 'all 2 trials were tried',
      sure: 'Trial 1 has the best figures of 2.',
      record: null,
    },
    training,
    evaluation,
    gate,
    approval: null,
    release: null,
    failure: null,
  };
}

const trial = (number: number, parameters: Trial['parameters'], value: number): Trial => ({
  number,
  parameters,
  state: 'complete',
  value,
  reports: [{ step: 40, values: [value], violations: [] }],
  gpuSeconds: 3,
});

/** A run that failed before it had anything. */
export async function failedSummary(hub: Hub, run: string): Promise<RunSummary> {
  const { context } = await wholeSummary(hub, run);
  const nothing = {
    ...{ dataset: null, analysis: null, study: null, training: null, evaluation: null, gate: null },
    ...{ approval: null, release: null },
  };
  const phases = PHASES.map(
    (name) => ({ name, status: 'pending', startedAt: null, endedAt: null, result: '' }) as const,
  );
  return {
    context,
    phases: [...phases],
    ...nothing,
    failure: { kind: 'BadData', message: 'too few pictures' },
  };
}
