import type { PipelineError } from '../../domain/errors.ts';
import {
  createProgress,
  initialProgress,
  type ProgressEvent,
  progressOf,
} from '../../domain/run/progress.ts';
import type { TrainerEvent } from '../../domain/trainer-protocol.ts';
import { ledgerTotals, type TrainingLedger } from '../../domain/training/ledger.ts';
import { type MetricLine, mergeMetrics } from '../../domain/training/metric-log.ts';
import type { ActivityContext } from '../support/activity-context.ts';
import { overBudget, refuseHopeless, spentBefore } from './budget.ts';
import { reportedMetrics, type TakenBranch } from './fence.ts';
import type { TrainPlan } from './plan.ts';
import type { ResumePoint } from './resume.ts';

/** Step, figures and cost of one attempt, as heartbeats, its metric log and its budgets see them. */
export class AttemptProgress {
  readonly #plan: TrainPlan;
  readonly #activity: ActivityContext;
  readonly #token: number;
  readonly #progress: ReturnType<typeof createProgress>;
  /** Monotonic, whatever the wall clock is set to. */
  readonly #began = performance.now();
  /** From when the phase was first scheduled until this attempt began. */
  readonly #waitedSeconds: number;
  #spentBefore = 0;
  #step: number;
  #metrics: MetricLine[] = [];

  constructor(p: { plan: TrainPlan; activity: ActivityContext; taken: TakenBranch }) {
    this.#plan = p.plan;
    this.#activity = p.activity;
    this.#token = p.taken.token;
    this.#step = p.taken.checkpoints[0]?.step ?? 0;
    const now = Date.now();
    this.#waitedSeconds = Math.max(0, now - (p.activity.info.scheduledTimestampMs ?? now)) / 1000;
    const onProgress = (state: unknown) => p.activity.heartbeat(state);
    this.#progress = createProgress([onProgress], initialProgress(reportedMetrics(p.activity)));
  }

  /** Last step that was done. */
  get step(): number {
    return this.#step;
  }

  /** Figures of all attempts, one line a step. */
  get metrics(): MetricLine[] {
    return mergeMetrics(this.#metrics);
  }

  /** Seconds that this attempt has held its accelerator. */
  get gpuSeconds(): number {
    return (performance.now() - this.#began) / 1000;
  }

  /** Repeats the last state as a heartbeat. */
  beat(): void {
    this.#activity.heartbeat(this.#progress.state);
  }

  /** Passes an event on to the heartbeats. */
  report(event: ProgressEvent): void {
    this.#progress.tell(event);
  }

  /** A listener to a download. */
  bytes(stage: string): (doneBytes: number, totalBytes: number) => void {
    return (done, total) =>
      this.report({ kind: 'stage', stage: `download ${stage}`, done, total, etaSeconds: null });
  }

  /** Continues the figures of a resume point; `ledger` includes this attempt. */
  startAt({ step, metrics }: Pick<ResumePoint, 'step' | 'metrics'>, ledger: TrainingLedger): void {
    this.#step = step;
    this.#metrics = metrics;
    const { preemptions, repeatedSteps } = ledgerTotals(ledger);
    const runGpuSeconds = Math.round(this.#spentBefore);
    this.report({
      kind: 'metrics',
      values: { step, gpuSeconds: 0, runGpuSeconds, preemptions, repeatedSteps },
    });
  }

  /** Takes figures and stages from the trainer's events. */
  onEvent(event: TrainerEvent): void {
    if (event.event === 'metric') {
      this.#step = Math.max(this.#step, event.step);
      this.#metrics.push({ step: event.step, attempt: this.#token, at: Date.now(), values: event.values });
      const gpuSeconds = Math.round(this.gpuSeconds);
      const runGpuSeconds = Math.round(this.#spentBefore) + gpuSeconds;
      this.report({ kind: 'metrics', values: { gpuSeconds, runGpuSeconds } });
    }
    const progress = progressOf(event);
    if (progress !== null) this.report(progress);
  }

  /** Looks up what the run has spent; throws where nothing more may be, or where attempts come to nothing. */
  async openBudgets(ledger: TrainingLedger): Promise<void> {
    refuseHopeless(this.#plan, ledger, this.#activity.info.workflowExecution?.runId ?? '');
    this.#spentBefore = await spentBefore(this.#plan, ledger);
    const over = this.overBudget();
    if (over !== null) throw over;
  }

  /** Why the run may not continue; null: it may. */
  overBudget(): PipelineError | null {
    const spent = {
      gpuSeconds: this.#spentBefore + this.gpuSeconds,
      wallSeconds: this.#waitedSeconds + this.gpuSeconds,
    };
    return overBudget(this.#plan, spent, this.#step);
  }
}
