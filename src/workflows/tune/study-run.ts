import { workflowInfo } from '@temporalio/workflow';
import type { RunConfig } from '../../domain/config/run-config.ts';
import { needsMeasurement } from '../../domain/config/tuning-config.ts';
import type { CommitRef } from '../../domain/refs.ts';
import type { GpuActivities, PipelineActivities } from '../../domain/run/activities.ts';
import type { RunContext } from '../../domain/run/context.ts';
import type { StudyStatus } from '../../domain/run/run-result.ts';
import type { Trial } from '../../domain/tuning/search-space.ts';
import {
  continuesAsNew,
  newStudy,
  type StudyMove,
  type StudyRecord,
  type StudyState,
} from '../../domain/tuning/study.ts';
import type { StudyResult } from '../../domain/tuning/study-result.ts';
import { describeChoice } from '../../domain/tuning/study-words.ts';
import { type Confirmation, chooseFinalist, chooseFinalists, newSeed } from '../../domain/tuning/top-k.ts';
import { trialReport } from '../../domain/tuning/trial-report.ts';
import {
  type CompleteTrial,
  chooseTrial,
  nextStudyStep,
  type RungOutcome,
  ranked,
  settleRung,
} from '../../domain/tuning/tuning.ts';
import { describeFailure } from '../support/failures.ts';
import type { Pause } from '../support/pause.ts';
import { SegmentPool } from './segment-pool.ts';

/** Failures that make a trial infeasible: they teach the sampler and do not end the study. */
const INFEASIBLE = new Set(['Diverged', 'OutOfMemory']);

/** What a study runs on. */
export interface StudyStart {
  context: RunContext;
  dataset: CommitRef;
  gpu: GpuActivities;
  suggest: PipelineActivities['suggest'];
  /** Starts none of the study's work while it is paused. */
  pause: Pick<Pause, 'step' | 'interruptible'>;
  /** Called before a segment of training is put on the GPU queue. */
  onSegment: (branch: string) => void;
  state: StudyState | Parameters<typeof newStudy>[0];
}

/** One workflow run's part of a study. */
export class StudyRun {
  readonly #config: RunConfig;
  #start: StudyStart | null = null;
  state: StudyState;
  #pool = new SegmentPool(1);
  #running: StudyStatus['running'] = [];
  #chosen: number | null = null;
  #sure: string | null = null;
  #askedBytes = 0;
  #segmentsBefore = 0;

  constructor(config: RunConfig) {
    this.#config = config;
    this.state = newStudy({ earlier: [], enqueue: [], parallel: 1 });
  }

  begin(start: StudyStart): void {
    this.#start = start;
    this.state = 'trials' in start.state ? start.state : newStudy(start.state);
    this.#segmentsBefore = this.state.stretches;
    this.#pool = new SegmentPool(this.state.parallel);
  }

  get #on(): StudyStart {
    if (this.#start === null) throw new TypeError('expected a study that has begun');
    return this.#start;
  }

  /**
   * Asks and trains until the study stops. An ask comes when fewer segments are under way than may be, and knows exactly
   * those that were started `parallel` or more before: so the same figures give the same sequence, whatever happens to workers.
   */
  async search(): Promise<'done' | 'too-long'> {
    for (;;) {
      if (this.#pool.full) await this.#pool.settleOldest();
      const step = nextStudyStep({
        ...this.state,
        tuning: this.#config.tuning,
        budgetSeconds: this.#budgetSeconds(),
      });
      this.state.stopped = step.reason === '' ? null : step.reason;
      if (step.next === 'stop') break;
      if (this.#isLong()) {
        await this.#pool.settleAll();
        return 'too-long';
      }
      const move = await this.#ask(step.mayStart);
      if (move.next === 'trial' || move.next === 'promote') this.#train(move);
      else if (this.#pool.size > 0) await this.#pool.settleOldest();
      else {
        this.state.stopped ??= move.reason;
        break;
      }
    }
    await this.#pool.settleAll();
    return 'done';
  }

  /** Trains the finalists with seeds that no trial had, as far as the budget goes. */
  async confirm(): Promise<void> {
    const { seed, tuning } = this.#config;
    const finalists = chooseFinalists(this.state.trials, tuning);
    for (let index = 1; finalists.length > 0 && index <= tuning.seeds; index++)
      for (const trial of finalists) {
        const own = newSeed(seed, index);
        if (this.state.confirmations.some((c) => c.trial === trial.number && c.seed === own)) continue;
        while (this.#pool.full) await this.#pool.settleOldest();
        if (this.#overBudget()) break;
        const running = { number: trial.number, toStep: tuning.steps, seed: own };
        this.#running.push(running);
        this.#pool.start(
          () => this.#segment(trial, tuning.steps, { index, seed: own }),
          (outcome) => {
            this.#account(running, outcome, 0);
            this.state.confirmations.push(confirmation(trial.number, own, outcome));
          },
        );
      }
    await this.#pool.settleAll();
  }

  /** The finalist that did best with new seeds, else the best trial; null when none finished. */
  choose(): CompleteTrial | null {
    const finalists = chooseFinalists(this.state.trials, this.#config.tuning);
    const chosen = chooseFinalist(finalists, this.state.confirmations) ?? chooseTrial(this.state.trials);
    this.#chosen = chosen?.number ?? null;
    return chosen;
  }

  result(chosen: CompleteTrial, record: StudyRecord | null): StudyResult {
    const { tuning } = this.#config;
    const { trials, confirmations, stopped } = this.state;
    this.#sure = describeChoice({ chosen, trials, confirmations, insight: record?.insight ?? null });
    return {
      strategy: tuning.strategy,
      trials,
      chosen: chosen.number,
      parameters: chosen.parameters,
      pruner: tuning.pruner,
      confirmations,
      stopped: stopped ?? '',
      sure: this.#sure,
      record,
    };
  }

  status(): Omit<StudyStatus, 'paused' | 'gpu'> {
    const { tuning } = this.#config;
    const { trials, parallel, spentSeconds, confirmations, stopped } = this.state;
    return {
      strategy: tuning.strategy,
      pruner: tuning.pruner,
      trials,
      chosen: this.#chosen ?? ranked(trials)[0]?.number ?? null,
      wanted: tuning.strategy === 'fixed' ? 1 : tuning.trials,
      steps: tuning.steps,
      parallel,
      running: this.#running,
      spentGpuSeconds: spentSeconds,
      confirmations,
      stopped,
      sure: this.#sure,
    };
  }

  async #ask(mayStart: boolean): Promise<StudyMove> {
    const { context, suggest, pause } = this.#on;
    const { trials, earlier, enqueue } = this.state;
    this.#askedBytes += JSON.stringify([trials, earlier, enqueue]).length;
    return pause.step(() => suggest({ context, trials, earlier, enqueue, mayStart }));
  }

  #train({ next, number, parameters, toStep }: StudyMove): void {
    const { tuning } = this.#config;
    const known = this.state.trials.find((trial) => trial.number === number);
    const trial: Trial = known ?? {
      number: number ?? this.state.trials.length,
      parameters: parameters ?? {},
      state: 'running',
      value: null,
      reports: [],
      gpuSeconds: 0,
    };
    if ((next === 'promote') !== (known !== undefined))
      throw new TypeError(`expected trial ${number} to ${next === 'promote' ? 'exist' : 'be new'}`);
    const step = toStep ?? tuning.steps;
    const running = { number: trial.number, toStep: step, seed: null };
    this.#replace({ ...trial, state: 'running' });
    this.#running.push(running);
    this.#pool.start(
      () => this.#segment(trial, step, null),
      (outcome) => {
        this.#account(running, outcome, trial.gpuSeconds);
        this.#replace(settleRung(trial, outcome, tuning.steps));
      },
    );
  }

  /** One segment of training on the trial's branch, from its newest checkpoint to the rung, and its figures there. */
  async #segment(
    trial: Pick<Trial, 'number' | 'parameters' | 'gpuSeconds'>,
    step: number,
    again: { index: number; seed: number } | null,
  ): Promise<RungOutcome> {
    const { dataset, gpu, pause } = this.#on;
    const own = this.#on.context;
    const context = again === null ? own : { ...own, config: { ...own.config, seed: again.seed } };
    const { objective } = this.#config.tuning;
    const branch = again === null ? `trial-${trial.number}` : `trial-${trial.number}-seed-${again.index}`;
    this.#on.onSegment(branch);
    try {
      const training = await pause.interruptible(
        () =>
          gpu.train({
            context,
            dataset,
            branch,
            parameters: trial.parameters,
            stopAtStep: step,
            acceptDifferences: this.#config.checkpoints.acceptDifferences,
          }),
        ({ outcome }) => outcome === 'done',
      );
      const measures = needsMeasurement(objective)
        ? await pause.interruptible(() => gpu.measureTrial({ context, dataset, training }))
        : null;
      const { heldOutLoss, gpuSeconds } = training;
      return { report: trialReport({ objective, step, heldOutLoss, measures }), gpuSeconds };
    } catch (error) {
      if (!INFEASIBLE.has(describeFailure(error).kind)) throw error;
      return { report: null, gpuSeconds: trial.gpuSeconds };
    }
  }

  #account(running: StudyStatus['running'][number], { gpuSeconds }: RungOutcome, before: number): void {
    const took = Math.max(0, gpuSeconds - before);
    this.#running = this.#running.filter((other) => other !== running);
    this.state.stretches += 1;
    this.state.spentSeconds += took;
    this.state.dearestSeconds = Math.max(this.state.dearestSeconds, took);
  }

  #replace(trial: Trial): void {
    const others = this.state.trials.filter(({ number }) => number !== trial.number);
    this.state.trials = [...others, trial].sort((a, b) => a.number - b.number);
  }

  #budgetSeconds(): number {
    const { budget, tuning } = this.#config;
    return (tuning.gpuHours ?? budget.gpuHours) * 3600;
  }

  #overBudget(): boolean {
    const { spentSeconds, dearestSeconds } = this.state;
    return spentSeconds + dearestSeconds > this.#budgetSeconds();
  }

  #isLong(): boolean {
    return continuesAsNew({
      segments: this.state.stretches - this.#segmentsBefore,
      askedBytes: this.#askedBytes,
      events: workflowInfo().historyLength,
    });
  }
}

function confirmation(trial: number, seed: number, { report, gpuSeconds }: RungOutcome): Confirmation {
  return { trial, seed, value: report?.values[0] ?? null, gpuSeconds };
}
