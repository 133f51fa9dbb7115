import { ApplicationFailure, log, setHandler, startChild, workflowInfo } from '@temporalio/workflow';
import type { PreparedDataset } from '../../domain/dataset/prepared-dataset.ts';
import { cutMessage } from '../../domain/errors.ts';
import type { Evaluation } from '../../domain/evaluation/decision.ts';
import type { Documents } from '../../domain/run/activities.ts';
import type { Training } from '../../domain/training/training.ts';
import type { StudyResult } from '../../domain/tuning/study-result.ts';
import { prepareDataset } from '../prepare.ts';
import { pauseSignal, studyPausedSignal } from '../support/messages.ts';
import { tune } from '../tune/tune.ts';
import { onGpu, phase, type Run } from './run.ts';

/** Makes the dataset, or finds it. */
export function prepare(run: Run): Promise<PreparedDataset> {
  const { context, state } = run;
  const say = (words: string) => state.note('prepare', words);
  return phase(run, 'prepare', {
    work: () => prepareDataset(context, { say, gpu: state.gpu, pause: state.pause }),
    record: (dataset) => ({ dataset }),
    tell: ({ images, cached }) => ({
      result: `${images.train} training, ${images.held_out} held-out and ${images.test} test images`,
      cached,
    }),
  });
}

/** Checks whether the dataset can be trained on; one that cannot ends the run before a GPU is touched. */
export async function analyze(run: Run, dataset: PreparedDataset): Promise<void> {
  const { context, pipeline, state } = run;
  const { verdict, reasons } = await phase(run, 'analyze', {
    work: () => state.pause.step(() => pipeline.analyze({ context, dataset })),
    record: (analysis) => ({ analysis }),
    tell: (analysis) => ({
      result: analysis.verdict === 'ready' ? 'ready' : [analysis.verdict, ...analysis.reasons].join('; '),
      cached: analysis.cached,
    }),
  });
  if (verdict === 'blocked')
    throw ApplicationFailure.create({
      type: 'BadData',
      nonRetryable: true,
      message: cutMessage(`the dataset is not ready for training: ${reasons.join('; ')}`),
    });
}

/** Searches the parameters to train with; null: they are fixed. */
export async function chooseParameters(run: Run, dataset: PreparedDataset): Promise<StudyResult | null> {
  const { state, config } = run;
  if (config.tuning.strategy === 'fixed') {
    state.mark('tune', 'running');
    state.mark('tune', 'skipped', 'strategy fixed: trained as configured');
    return null;
  }
  const study = await phase(run, 'tune', {
    work: () => runStudy(run, dataset),
    record: (made) => ({ study: made }),
    tell: ({ chosen, trials, parameters }) => ({
      result: `trial ${chosen} of ${trials.length}: ${Object.entries(parameters)
        .map(([k, v]) => `${k} ${typeof v === 'number' ? Number(v.toPrecision(3)) : v}`)
        .join(', ')}`,
    }),
  });
  state.status.study = study;
  return study;
}

/** Runs the study as a child that pause and resume of the run reach as well. */
async function runStudy({ context, config, state }: Run, { dataset }: PreparedDataset): Promise<StudyResult> {
  const { pause } = state;
  await pause.untilResumed();
  const child = await startChild(tune, {
    workflowId: `${workflowInfo().workflowId}-tune`,
    args: [config, { context, dataset }],
    staticSummary: `study of ${config.tuning.trials} trials`,
  });
  let leave = pause.enter();
  setHandler(studyPausedSignal, (paused) => {
    leave();
    if (paused !== true) leave = pause.enter();
  });
  state.onPauseSignal = (signal) => {
    child
      .signal(signal)
      .catch((error: unknown) => log.warn(`${signal.name} did not reach the study: ${error}`));
  };
  // A pause that was asked for while the study was being started did not reach it.
  if (pause.asked) state.onPauseSignal(pauseSignal);
  try {
    return await child.result();
  } finally {
    state.onPauseSignal = null;
    leave();
  }
}

/** Trains to the end, from the chosen trial's last checkpoint where there was a study. */
export async function train(
  run: Run,
  { dataset }: PreparedDataset,
  study: StudyResult | null,
): Promise<Training> {
  const { context, config, gpu, state } = run;
  const request = {
    context,
    dataset,
    branch: 'main',
    parameters: study?.parameters ?? {},
    stopAtStep: null,
    // The chosen trial was trained with these very settings: its last checkpoint is a part of this training.
    ...(study === null ? {} : { continueFrom: `trial-${study.chosen}` }),
    acceptDifferences: config.checkpoints.acceptDifferences,
  };
  const training = await phase(run, 'train', {
    work: () =>
      onGpu(
        run,
        { activity: 'train', branch: 'main' },
        () => gpu.train(request),
        ({ outcome }) => outcome === 'done',
      ),
    record: (made) => ({ training: made }),
    tell: (t) => ({
      result: `${t.step} steps, held-out loss ${t.heldOutLoss?.toFixed(4) ?? 'not measured'}, ${t.preemptions} preemptions, ${t.repeatedSteps} steps repeated`,
    }),
  });
  state.status.training = training;
  return training;
}

/** Chooses the checkpoint that goes to the gate, not always the last one, then samples and measures it. */
export function evaluate(
  run: Run,
  { dataset }: PreparedDataset,
  trained: Training,
): Promise<{ training: Training; evaluation: Evaluation }> {
  const { context, config, gpu, state } = run;
  return phase(run, 'evaluate', {
    work: async () => {
      const training =
        config.evaluation.checkpoints < 2
          ? trained
          : (
              await onGpu(run, { activity: 'chooseCheckpoint' }, () =>
                gpu.chooseCheckpoint({ context, dataset, training: trained }),
              )
            ).training;
      state.status.training = training;
      run.reports.record({ training });
      const evaluation = await onGpu(run, { activity: 'evaluate' }, () =>
        gpu.evaluate({ context, dataset, training }),
      );
      return { training, evaluation };
    },
    record: ({ evaluation }) => ({ evaluation }),
    tell: ({ training, evaluation }) => ({ result: `step ${training.step}: ${evaluation.summary}` }),
  });
}

/** Writes the report with everything in it. */
export async function document(run: Run): Promise<Documents> {
  const { pipeline, reports, state } = run;
  await state.pause.untilResumed();
  state.mark('document', 'running');
  await reports.settled();
  const documents = await state.pause.step(() => pipeline.document({ summary: reports.summary }));
  state.mark('document', 'done', `report in ${documents.report.repo}`);
  return documents;
}
