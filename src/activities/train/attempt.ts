import { readFileSync } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { PipelineError } from '../../domain/errors.ts';
import { type CommitSha, Sha256 } from '../../domain/refs.ts';
import { createProgress, initialProgress, progressOf } from '../../domain/run/progress.ts';
import type { TrainerEvent, VerbResult } from '../../domain/trainer-protocol.ts';
import { CheckpointManifest, fingerprintDifferences } from '../../domain/training/checkpoint.ts';
import { secondsBetweenPreemptions } from '../../domain/training/checkpoint-interval.ts';
import type { StoragePlan } from '../../domain/training/checkpoint-storage.ts';
import { type LaneResult, ledgerTotals, updateAttempt } from '../../domain/training/ledger.ts';
import { type MetricLine, mergeMetrics } from '../../domain/training/metric-log.ts';
import type { Training } from '../../domain/training/training.ts';
import { parseJson } from '../../hub/verified-json.ts';
import { EVENTS_FILE, tensorboardEvents } from '../../reports/figures/tensorboard.ts';
import { type ActivityContext, cancelReason, isGivenUp } from '../support/activity-context.ts';
import { MANIFEST } from '../support/checkpoint-folder.ts';
import { checkFits } from '../support/fits.ts';
import { alive, watchedCall } from '../support/watchdog.ts';
import { dropOlderCopies, openAttemptFolder } from './attempt-folder.ts';
import { overBudget, refuseHopeless, spentBefore } from './budget.ts';
import type { LocalSave } from './checkpoint-commit.ts';
import { CheckpointClock } from './checkpoint-timer.ts';
import { reportedMetrics, type TakenLane } from './fence.ts';
import { bringInputs } from './inputs.ts';
import { describeTraining, type TrainDeps, type TrainPlan, tagResult } from './plan.ts';
import { TrainingRecord } from './progress-images.ts';
import { type AttemptEnd, CheckpointPublisher } from './publisher.ts';
import { borrowCheckpoint, bringCheckpoint, isOtherKind, type ResumePoint } from './resume.ts';
import { planRunStorage } from './storage-plan.ts';

/** Longest wait for the Hub to take the last checkpoint: when done, and when somebody waits for the attempt to end. */
const LAST_SAVE_LIMIT_MS = 2 * 3600_000;
const STOP_SAVE_LIMIT_MS = 10 * 60_000;
const BEAT_MS = 2_000;
/** Longest side of the pictures in a strip, in pixels: they show how training goes, at little cost. */
const STRIP_SIDE = 512;

/** One attempt that holds the fence: from the newest whole checkpoint to the lane's last step, or as far as it gets. */
export class TrainingAttempt {
  readonly #deps: TrainDeps;
  readonly #plan: TrainPlan;
  readonly #activity: ActivityContext;
  readonly #taken: TakenLane;
  readonly #folder: string;
  /** On the clock that nobody sets. */
  readonly #began = performance.now();
  /** From when the phase was first scheduled until this attempt began. */
  readonly #waitedSeconds: number;
  /** Ends the training for a reason of our own: fenced, refused by the Hub, out of budget. */
  readonly #halt = new AbortController();
  readonly #progress: ReturnType<typeof createProgress>;
  readonly #clock: CheckpointClock;
  #storage: Pick<Extract<StoragePlan, { fits: true }>, 'keepEvery' | 'squashEvery'>;
  #resumedWith: ResumePoint['fingerprint'] = null;
  #publisher: CheckpointPublisher;
  readonly #record: TrainingRecord;
  #metrics: MetricLine[] = [];
  #step: number;
  #spentBefore = 0;
  /** Whether the training goes on from another lane's checkpoint. */
  #borrowed = false;
  /** The last step's checkpoint, which waits for the training's result. */
  #lastSave: LocalSave | null = null;

  constructor(p: { deps: TrainDeps; plan: TrainPlan; activity: ActivityContext; taken: TakenLane }) {
    this.#deps = p.deps;
    this.#plan = p.plan;
    this.#activity = p.activity;
    this.#taken = p.taken;
    const now = Date.now();
    this.#waitedSeconds = Math.max(0, now - (p.activity.info.scheduledTimestampMs ?? now)) / 1000;
    const { context, lane } = p.plan.request;
    this.#folder = join(p.deps.workDir, 'runs', context.run, lane, `attempt-${p.taken.token}`);
    this.#step = p.taken.checkpoints[0]?.step ?? 0;
    const heard = (state: unknown) => p.activity.heartbeat(state);
    this.#progress = createProgress([heard], initialProgress(reportedMetrics(p.activity)));
    const { checkpoints } = p.plan;
    this.#storage = checkpoints;
    this.#clock = new CheckpointClock({
      limits: checkpoints,
      betweenPreemptions: () => secondsBetweenPreemptions(ledgerTotals(this.#publisher.ledger)),
      saveSecondsBefore: reportedMetrics(p.activity).checkpointSaveSeconds ?? null,
      ask: () => p.deps.trainer.checkpoint(),
    });
    this.#publisher = this.#createPublisher(p.taken);
    this.#record = new TrainingRecord({
      hub: p.deps.hub,
      record: { type: 'dataset', repo: context.repos.record },
      log: (line) => this.#log(line),
    });
  }

  /** Trains and publishes; what was trained is durable on the Hub before this returns or throws, wherever it may be. */
  async run(): Promise<Training> {
    const { cancellationSignal } = this.#activity;
    const giveUp = () => {
      if (isGivenUp(cancellationSignal)) void this.#publisher.discard();
    };
    cancellationSignal.addEventListener('abort', giveUp);
    try {
      for (const line of this.#taken.damaged) this.#log(`skipped a corrupt checkpoint: ${line}`);
      const result = await this.#train();
      return await this.#finish(result);
    } catch (error) {
      await this.#recordEnd(error);
      throw error;
    } finally {
      cancellationSignal.removeEventListener('abort', giveUp);
      this.#clock.stop();
      await this.#publisher.discard();
      await rm(this.#folder, { recursive: true, force: true });
    }
  }

  async #train(): Promise<VerbResult<'train'>> {
    const { request, training, lane } = this.#plan;
    const { hub, workDir } = this.#deps;
    const signal = this.#activity.cancellationSignal;
    await this.#checkBudgets();
    await this.#planStorage();
    await this.#checkMemory();
    await openAttemptFolder(this.#folder);
    const { from, own } = await this.#resume();
    const { base, dataset, cache } = await bringInputs({
      ...{ hub, workDir, signal, request, training },
      onProgress: (what) => this.#bytes(what),
      alive: (wait) => this.#alive(wait),
      encode: (params) =>
        this.#call((onEvent) => this.#deps.trainer.call('encode', params, { onEvent, signal })),
      onShared: (packs) => {
        this.#publisher.amend({ packs });
        this.#progress.tell({ kind: 'metrics', values: { packs } });
      },
      log: (line) => this.#log(line),
    });
    this.#log(
      `training ${lane.branch} from step ${this.#step} to ${this.#plan.lastStep}, fencing token ${this.#taken.token}`,
    );
    const { evaluation } = request.context.config;
    const out = join(this.#folder, 'checkpoints');
    await mkdir(out, { recursive: true });
    const train = (resumeFrom: string | null) =>
      this.#call((onEvent) =>
        this.#deps.trainer.call(
          'train',
          {
            base,
            baseCommit: request.context.base.commit,
            datasetCommit: request.dataset.commit,
            dataset,
            cache,
            out,
            resumeFrom,
            acceptDifferences: request.acceptDifferences,
            stopAtStep: request.stopAtStep,
            training,
            sampling: {
              size: Math.min(evaluation.size, STRIP_SIDE),
              inferenceSteps: evaluation.inferenceSteps,
              guidance: evaluation.guidance,
            },
          },
          { onEvent, signal: AbortSignal.any([signal, this.#halt.signal]) },
        ),
      );
    try {
      return await train(from);
    } catch (error) {
      if (!this.#borrowed || !isOtherKind(error)) throw error;
      this.#log(`not continued from ${request.continueFrom}: ${error.message}`);
      this.#standAt(own);
      return train(null);
    }
  }

  /** Publishes the end of a training that came back, and returns it or throws why it is not whole. */
  async #finish(result: VerbResult<'train'>): Promise<Training> {
    const signal = this.#activity.cancellationSignal;
    if (isGivenUp(signal)) throw signal.reason;
    const done = result.step >= this.#plan.lastStep || result.outcome === 'early';
    const lane: LaneResult = {
      key: this.#plan.key,
      step: result.step,
      steps: this.#plan.training.steps,
      path: `checkpoints/${basename(result.checkpoint)}`,
      adapterSha256: Sha256.parse(result.adapterSha256),
      heldOutLoss: result.heldOutLoss,
      trainLoss: result.trainLoss,
    };
    if (this.#lastSave !== null) this.#publisher.offer(this.#lastSave);
    const end: AttemptEnd = { ended: done ? 'done' : 'stopped', failure: null, result: done ? lane : null };
    this.#clock.stop();
    const commit = await this.#settle(end, signal.aborted ? STOP_SAVE_LIMIT_MS : LAST_SAVE_LIMIT_MS);
    await this.#alive(async () => {
      if (done) await tagResult(this.#plan, commit);
      const events = tensorboardEvents(mergeMetrics(this.#metrics));
      this.#record.offer(`runs/${this.#plan.request.lane}/${EVENTS_FILE}`, Promise.resolve(events));
      await this.#record.settle();
    });
    if (done) return describeTraining(this.#plan, this.#publisher.ledger, lane, commit);
    if (this.#halt.signal.aborted) throw this.#halt.signal.reason;
    const saved = `step ${result.step} of ${this.#plan.lastStep} is saved in ${this.#plan.lane.repo.repo} at ${commit}`;
    this.#log(`stopped: ${saved}`);
    if (cancelReason(signal) === 'WORKER_SHUTDOWN')
      throw new PipelineError(
        'TrainerDied',
        `the worker is shutting down; ${saved}, and the next worker continues from there`,
      );
    throw signal.reason;
  }

  async #settle(end: AttemptEnd, limitMs: number): Promise<CommitSha> {
    this.#progress.tell({ kind: 'stage', stage: 'publish', done: 0, total: 1, etaSeconds: null });
    return this.#alive(() => this.#publisher.settle(end, limitMs));
  }

  /** Waits for the Hub with signs of life: the wait is ours and has a limit, so it is no hung trainer. */
  #alive<T>(wait: () => Promise<T>): Promise<T> {
    return alive(() => this.#activity.heartbeat(this.#progress.state), wait);
  }

  /** Writes into the ledger how a failed attempt ended; a Hub that does not take it leaves a preemption to be found. */
  async #recordEnd(error: unknown): Promise<void> {
    const signal = this.#activity.cancellationSignal;
    const kind = error instanceof PipelineError ? error.kind : null;
    if (kind === 'Fenced' || isGivenUp(signal) || this.#publisher.ledger.attempts.at(-1)?.ended !== 'running')
      return;
    const vanished = kind === 'TrainerDied';
    const ended = vanished
      ? 'preempted'
      : signal.aborted || kind === 'BudgetExhausted'
        ? 'stopped'
        : 'failed';
    const failure = ended === 'failed' ? (error instanceof Error ? error.message : String(error)) : null;
    await this.#settle({ ended, failure, result: null }, BEAT_MS).catch((reason: unknown) =>
      this.#log(`the end of this attempt could not be recorded: ${String(reason)}`),
    );
  }

  /** Brings the newest whole checkpoint here and stands at its step; null: from the start. */
  async #resume(): Promise<{ from: string | null; own: ResumePoint }> {
    const bring = {
      toFolder: this.#folder,
      signal: this.#activity.cancellationSignal,
      onProgress: this.#bytes('checkpoint'),
      onDamage: (damage: string) => this.#log(`skipped a corrupt checkpoint: ${damage}`),
    };
    const own = await bringCheckpoint({ ...bring, lane: this.#plan.lane, taken: this.#taken });
    const borrowed = own.folder === null ? await borrowCheckpoint({ ...bring, plan: this.#plan }) : null;
    this.#borrowed = borrowed !== null;
    if (borrowed !== null)
      this.#log(`continues at step ${borrowed.step} from lane ${this.#plan.request.continueFrom}`);
    // Only where it was trained differs: what is published goes on this lane's own head, beside its own checkpoints.
    const { head, checkpoints, damaged, damagedFolders } = own;
    const point = borrowed === null ? own : { ...borrowed, head, checkpoints, damaged, damagedFolders };
    this.#standAt(point);
    return { from: point.folder, own };
  }

  /** Takes a resume point as this attempt's beginning, in its ledger, its figures and what it publishes. */
  #standAt(point: ResumePoint): void {
    const { step, damaged, checkpoints, damagedFolders, head } = point;
    this.#step = step;
    this.#resumedWith = point.fingerprint;
    this.#metrics = point.metrics;
    const ledger = updateAttempt(this.#taken.ledger, { resumedFrom: step, reached: step, damaged });
    this.#publisher = this.#createPublisher({ ledger, checkpoints, damagedFolders, head });
    const { preemptions, repeatedSteps } = ledgerTotals(ledger);
    const values = {
      step,
      gpuSeconds: 0,
      runGpuSeconds: Math.round(this.#spentBefore),
      preemptions,
      repeatedSteps,
    };
    this.#progress.tell({ kind: 'metrics', values });
  }

  #createPublisher(
    from: Pick<TakenLane, 'ledger' | 'checkpoints' | 'damagedFolders' | 'head'>,
  ): CheckpointPublisher {
    const { checkpoints } = this.#plan;
    const { training } = this.#plan.request.context.config;
    const dropCopy = (path: string) => void rm(path, { recursive: true, force: true }).catch(() => undefined);
    return new CheckpointPublisher({
      lane: this.#plan.lane,
      token: this.#taken.token,
      head: from.head,
      ledger: from.ledger,
      checkpoints: from.checkpoints,
      damagedFolders: from.damagedFolders,
      keep: { newest: training.keepCheckpoints, every: this.#storage.keepEvery },
      squashEvery: this.#storage.squashEvery,
      minGapMs: checkpoints.minSeconds * 1000,
      unsavedLimitMs: checkpoints.unsavedMinutes * 60_000,
      metrics: () => mergeMetrics(this.#metrics),
      standing: () => ({ step: this.#step, gpuSeconds: this.#gpuSeconds() }),
      onPublished: (save, commit) => {
        const checkpointSaveSeconds = this.#clock.published(save.path);
        if (checkpointSaveSeconds !== null)
          this.#progress.tell({ kind: 'metrics', values: { checkpointSaveSeconds } });
        this.#progress.tell({ kind: 'checkpoint', step: save.step, commit, at: Date.now() });
        void dropOlderCopies(join(this.#folder, 'checkpoints'), save.path);
      },
      onSuperseded: (save) => dropCopy(save.path),
      onFailure: (error) => this.#halt.abort(error),
      log: (line) => this.#log(line),
    });
  }

  #call<T>(request: (onEvent: (event: TrainerEvent) => void) => Promise<T>): Promise<T> {
    const beat = () => this.#activity.heartbeat(this.#progress.state);
    const { heartbeatTimeoutMs = 3 * 60_000 } = this.#activity.info;
    const p = { trainer: this.#deps.trainer, beat, afterFirst: 0.8 * heartbeatTimeoutMs };
    return watchedCall(p, (onSign) =>
      request((event) => {
        onSign();
        this.#hear(event);
      }),
    );
  }

  #hear(event: TrainerEvent): void {
    if (event.event === 'metric') {
      this.#step = Math.max(this.#step, event.step);
      if (event.values.checkpointStallSeconds !== undefined)
        this.#clock.stalled(event.values.checkpointStallSeconds);
      this.#metrics.push({
        step: event.step,
        attempt: this.#taken.token,
        at: Date.now(),
        values: event.values,
      });
      const gpuSeconds = Math.round(this.#gpuSeconds());
      const runGpuSeconds = Math.round(this.#spentBefore) + gpuSeconds;
      this.#progress.tell({ kind: 'metrics', values: { gpuSeconds, runGpuSeconds } });
      this.#watchBudget();
    }
    if (event.event === 'sample')
      this.#record.offer(`samples/${this.#plan.request.lane}/${basename(event.path)}`, readFile(event.path));
    if (event.event === 'checkpoint') {
      const save = { step: event.step, path: event.path, manifestSha256: Sha256.parse(event.manifestSha256) };
      this.#clock.saved(save.path);
      this.#recordAccepted(save.path);
      // The last one waits for the result, so that both land in one commit.
      if (save.step < this.#plan.lastStep) this.#publisher.offer(save);
      else this.#lastSave = save;
    }
    if (event.event === 'progress' && event.stage === 'train') this.#clock.start();
    const progress = progressOf(event);
    if (progress !== null) this.#progress.tell(progress);
  }

  /** The first checkpoint shows what differs from the one it was made from: all of it was accepted, or nothing would run. */
  #recordAccepted(path: string): void {
    if (this.#resumedWith === null) return;
    const manifest = join(path, MANIFEST);
    const { fingerprint } = parseJson(readFileSync(manifest), CheckpointManifest, manifest);
    const accepted = fingerprintDifferences(this.#resumedWith, fingerprint);
    this.#resumedWith = null;
    if (accepted.length === 0) return;
    this.#log(`went on although ${accepted.join('; ')}: accepted by checkpoints.acceptDifferences`);
    this.#publisher.amend({ accepted });
  }

  async #planStorage(): Promise<void> {
    const { request, training, lastStep } = this.#plan;
    const { context } = request;
    const plan = await planRunStorage(this.#deps.hub, { context, training, steps: lastStep });
    this.#storage = plan;
    for (const adjusted of plan.adjusted) this.#log(`to fit into budget.storageGb, ${adjusted}`);
  }

  #gpuSeconds(): number {
    return (performance.now() - this.#began) / 1000;
  }

  async #checkBudgets(): Promise<void> {
    const { info } = this.#activity;
    refuseHopeless(this.#plan, this.#taken.ledger, info.workflowExecution?.runId ?? '');
    this.#spentBefore = await spentBefore(this.#plan, this.#taken.ledger);
    this.#watchBudget();
    this.#halt.signal.throwIfAborted();
  }

  async #checkMemory(): Promise<void> {
    const { hub, trainer, measured = null } = this.#deps;
    const { training, request } = this.#plan;
    const work = { hub, trainer, training, measured, context: request.context };
    this.#log(await this.#call(() => checkFits(work)));
  }

  #watchBudget(): void {
    if (this.#halt.signal.aborted) return;
    const spent = {
      gpuSeconds: this.#spentBefore + this.#gpuSeconds(),
      wallSeconds: this.#waitedSeconds + this.#gpuSeconds(),
    };
    const over = overBudget(this.#plan, spent, this.#step);
    if (over !== null) this.#halt.abort(over);
  }

  #bytes(stage: string): (doneBytes: number, totalBytes: number) => void {
    return (done, total) =>
      this.#progress.tell({ kind: 'stage', stage: `download ${stage}`, done, total, etaSeconds: null });
  }

  #log(line: string): void {
    this.#deps.log?.(line);
  }
}
