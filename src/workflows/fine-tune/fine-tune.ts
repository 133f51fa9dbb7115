import { CancellationScope } from '@temporalio/workflow';
import { parseRunConfig } from '../../domain/config/run-config.ts';
import type { PreparedDataset } from '../../domain/dataset/prepared-dataset.ts';
import { describeOutcome, outcomeOf } from '../../domain/run/outcome.ts';
import type { RunResult } from '../../domain/run/run-result.ts';
import { accepted, endOf, failureOf, isCancelRequested } from '../support/ending.ts';
import { gate } from './gate.ts';
import { analyze, chooseParameters, document, evaluate, prepare, train } from './phases.ts';
import { deploy } from './release.ts';
import { openRun, type Run } from './run.ts';
import { RunState } from './run-state.ts';

/** The pipeline: prepare, analyze, tune, train, evaluate, gate, deploy, document. */
export async function fineTune(input: unknown = {}): Promise<RunResult> {
  const config = accepted('fineTune', parseRunConfig(input));
  const state = new RunState(config);
  CancellationScope.current().cancelRequested.catch(() => state.cancelling());
  let run: Run | undefined;
  try {
    run = await openRun(config, state);
    const result = await phases(run);
    state.end('done');
    state.notifier.tell('finished', outcomeText(run));
    await state.notifier.settled();
    return result;
  } catch (error) {
    await stop({ state, run }, error);
    throw endOf(error);
  }
}

/** Every phase in order; each is handed what the earlier ones made. */
async function phases(run: Run): Promise<RunResult> {
  const dataset = await prepare(run);
  await analyze(run, dataset);
  const study = await chooseParameters(run, dataset);
  const trained = await train(run, dataset, study);
  const evaluated = await evaluate(run, dataset, trained);
  const judged = await gate(run, { dataset, ...evaluated });
  const release = await deploy(run, { dataset, ...judged });
  const { report } = await document(run);
  return {
    run: run.context.run,
    verdict: judged.gate.verdict,
    phases: run.state.status.phases,
    dataset: datasetResult(dataset),
    training: judged.training,
    evaluation: judged.evaluation.report,
    gate: judged.gate,
    approval: judged.approval,
    release,
    report,
  };
}

function outcomeText({ reports }: Run): string {
  const { word, sentence } = describeOutcome(outcomeOf(reports.summary));
  return `${word}. ${sentence}`;
}

function datasetResult({ dataset, images, dropped }: PreparedDataset): RunResult['dataset'] {
  return {
    ...dataset,
    images: images.train + images.held_out + images.test,
    dropped: Object.values(dropped).reduce((a, b) => a + b, 0),
  };
}

/** Lets a run that failed or was cancelled tell so, in its state, to people and in its last report. */
async function stop(
  { state, run }: { state: RunState; run: Run | undefined },
  error: unknown,
): Promise<void> {
  const failure = failureOf(error);
  const cancelled = isCancelRequested();
  state.stopPhases(cancelled ? 'cancelled' : 'failed', failure);
  if (!cancelled) {
    state.end('failed');
    state.notifier.tell('failed', describeOutcome(outcomeOf(state.status)).sentence);
  }
  await run?.reports.writeLast(failure);
  if (cancelled) state.end('cancelled');
  await state.notifier.settled();
}
