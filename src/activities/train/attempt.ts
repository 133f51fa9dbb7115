import { mkdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { PipelineError } from '../../domain/errors.ts';
import { Sha256 } from '../../domain/refs.ts';
import type { TrainerEvent, VerbResult } from '../../domain/trainer-protocol.ts';
import type { BranchResult } from '../../domain/training/ledger.ts';
import type { Training } from '../../domain/training/training.ts';
import { type ActivityContext, cancelReason, isGivenUp } from '../support/activity-context.ts';
import { checkFits } from '../support/fits.ts';
import { alive, watchedCall } from '../support/watchdog.ts';
import { openAttemptFolder } from './attempt-folder.ts';
import { AttemptProgress } from './attempt-progress.ts';
import { AttemptPublishing } from './attempt-publishing.ts';
import type { TakenBranch } from './fence.ts';
import { bringInputs } from './inputs.ts';
import { describeTraining, type TrainDeps, type TrainPlan, tagResult } from './plan.ts';
import type { AttemptEnd } from './publisher.ts';
import { type Beginning, findBeginning, isOtherKind, type ResumePoint } from './resume.ts';
import { planRunStorage } from './storage-plan.ts';

/** Longest wait for the Hub to take the last checkpoint: when done, and when a person waits for the attempt to end. */
const LAST_SAVE_LIMIT_MS = 2 * 3600_000;
const STOP_SAVE_LIMIT_MS = 10 * 60_000;
const BEAT_MS = 2_000;
/** Longest side of a validation image in pixels: they show how training goes, at little cost. */
const VALIDATION_SIDE = 512;

/** One attempt that holds the fence: from the newest whole checkpoint to the branch's last step, or as far as it gets. */
export class TrainingAttempt {
  readonly #deps: TrainDeps;
  readonly #plan: TrainPlan;
  readonly #activity: ActivityContext;
  readonly #taken: TakenBranch;
  readonly #folder: string;
  /** Ends the training for a reason of its own: fenced, refused by the Hub, out of budget. */
  readonly #halt = new AbortController();
  readonly #progress: AttemptProgress;
  readonly #publishing: AttemptPublishing;

  constructor(p: { deps: TrainDeps; plan: TrainPlan; activity: ActivityContext; taken: TakenBranch }) {
    this.#deps = p.deps;
    this.#plan = p.plan;
    this.#activity = p.activity;
    this.#taken = p.taken;
    const { context, branch } = p.plan.request;
    this.#folder = join(p.deps.workDir, 'runs', context.run, branch, `attempt-${p.taken.token}`);
    this.#progress = new AttemptProgress(p);
    this.#publishing = new AttemptPublishing({
      ...{ ...p, folder: this.#folder, progress: this.#progress },
      onFailure: (error) => this.#halt.abort(error),
      log: (line) => this.#log(line),
    });
  }

  /** Trains and publishes; what was trained is durable on the Hub before this returns or throws, wherever it may be. */
  async run(): Promise<Training> {
    const { cancellationSignal } = this.#activity;
    const giveUp = () => {
      if (isGivenUp(cancellationSignal)) void this.#publishing.discard();
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
      this.#publishing.stopClock();
      await this.#publishing.discard();
      await rm(this.#folder, { recursive: true, force: true });
    }
  }

  async #train(): Promise<VerbResult<'train'>> {
    const beginning = await this.#begin();
    const inputs = await this.#bringInputs();
    const { own, borrowed } = beginning;
    const { branch, lastStep, request } = this.#plan;
    this.#log(
      `training ${branch.name} from step ${this.#progress.step} to ${lastStep}, fencing token ${this.#taken.token}`,
    );
    try {
      return await this.#callTrain(inputs, (borrowed ?? own).folder);
    } catch (error) {
      if (borrowed === null || !isOtherKind(error)) throw error;
      this.#log(`not continued from ${request.continueFrom}: ${error.message}`);
      this.#startAt(own);
      return this.#callTrain(inputs, null);
    }
  }

  /** Refuses what budgets, storage or memory do not allow, then brings the checkpoint and opens the publisher on its head. */
  async #begin(): Promise<Beginning> {
    const { hub, trainer, measured = null } = this.#deps;
    const { request, training, lastStep } = this.#plan;
    const { context } = request;
    await this.#progress.openBudgets(this.#taken.ledger);
    const storage = await planRunStorage(hub, { context, training, steps: lastStep });
    for (const adjusted of storage.adjusted) this.#log(`to fit into budget.storageGb, ${adjusted}`);
    this.#log(await this.#call(() => checkFits({ hub, trainer, training, measured, context })));
    await openAttemptFolder(this.#folder);
    const beginning = await findBeginning({
      plan: this.#plan,
      taken: this.#taken,
      toFolder: this.#folder,
      signal: this.#activity.cancellationSignal,
      onProgress: this.#progress.bytes('checkpoint'),
      log: (line) => this.#log(line),
    });
    this.#publishing.open(beginning.own, storage);
    this.#startAt(beginning.borrowed ?? beginning.own);
    return beginning;
  }

  /** Takes a resume point as this attempt's beginning, in its ledger and in its figures. */
  #startAt(point: ResumePoint): void {
    this.#publishing.startAt(point);
    this.#progress.startAt(point, this.#publishing.ledger);
  }

  #bringInputs(): ReturnType<typeof bringInputs> {
    const { hub, workDir, trainer } = this.#deps;
    const { request, training } = this.#plan;
    const signal = this.#activity.cancellationSignal;
    return bringInputs({
      ...{ hub, workDir, signal, request, training },
      onProgress: (what) => this.#progress.bytes(what),
      alive: (wait) => this.#alive(wait),
      encode: (params) => this.#call((onEvent) => trainer.call('encode', params, { onEvent, signal })),
      onShared: (packs) => {
        this.#publishing.amend({ packs });
        this.#progress.report({ kind: 'metrics', values: { packs } });
      },
      log: (line) => this.#log(line),
    });
  }

  async #callTrain(
    inputs: Awaited<ReturnType<typeof bringInputs>>,
    resumeFrom: string | null,
  ): Promise<VerbResult<'train'>> {
    const { request, training } = this.#plan;
    const { base, dataset, cache } = inputs;
    const { size, inferenceSteps, guidance } = request.context.config.evaluation;
    const out = join(this.#folder, 'checkpoints');
    await mkdir(out, { recursive: true });
    const params = {
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
      sampling: { size: Math.min(size, VALIDATION_SIDE), inferenceSteps, guidance },
    };
    const signal = AbortSignal.any([this.#activity.cancellationSignal, this.#halt.signal]);
    return this.#call((onEvent) => this.#deps.trainer.call('train', params, { onEvent, signal }));
  }

  /** Publishes the end of a training that came back, and returns it or throws why it is not whole. */
  async #finish(result: VerbResult<'train'>): Promise<Training> {
    const signal = this.#activity.cancellationSignal;
    if (isGivenUp(signal)) throw signal.reason;
    const done = result.step >= this.#plan.lastStep || result.outcome === 'early';
    const trained: BranchResult = {
      key: this.#plan.key,
      step: result.step,
      steps: this.#plan.training.steps,
      path: `checkpoints/${basename(result.checkpoint)}`,
      adapterSha256: Sha256.parse(result.adapterSha256),
      heldOutLoss: result.heldOutLoss,
      trainLoss: result.trainLoss,
    };
    const end: AttemptEnd = {
      ended: done ? 'done' : 'stopped',
      failure: null,
      result: done ? trained : null,
    };
    this.#publishing.stopClock();
    this.#publishing.offerLast();
    const limitMs = signal.aborted ? STOP_SAVE_LIMIT_MS : LAST_SAVE_LIMIT_MS;
    const commit = await this.#publishing.settle(end, limitMs);
    await this.#alive(async () => {
      if (done) await tagResult(this.#plan, commit);
      await this.#publishing.settleRecord();
    });
    if (done) return describeTraining(this.#plan, this.#publishing.ledger, trained, commit);
    if (this.#halt.signal.aborted) throw this.#halt.signal.reason;
    const saved = `step ${result.step} of ${this.#plan.lastStep} is saved in ${this.#plan.branch.repo.repo} at ${commit}`;
    this.#log(`stopped: ${saved}`);
    if (cancelReason(signal) === 'WORKER_SHUTDOWN')
      throw new PipelineError(
        'TrainerDied',
        `the worker is shutting down; ${saved}, and the next worker continues from there`,
      );
    throw signal.reason;
  }

  /** Writes into the ledger how a failed attempt ended; a Hub that does not take it leaves a preemption to be found. */
  async #recordEnd(error: unknown): Promise<void> {
    const signal = this.#activity.cancellationSignal;
    const kind = error instanceof PipelineError ? error.kind : null;
    const newest = this.#publishing.ledger.attempts.at(-1);
    if (kind === 'Fenced' || isGivenUp(signal) || newest?.ended !== 'running') return;
    const ended =
      kind === 'TrainerDied'
        ? 'preempted'
        : signal.aborted || kind === 'BudgetExhausted'
          ? 'stopped'
          : 'failed';
    const failure = ended === 'failed' ? (error instanceof Error ? error.message : String(error)) : null;
    await this.#publishing
      .settle({ ended, failure, result: null }, BEAT_MS)
      .catch((reason: unknown) =>
        this.#log(`the end of this attempt could not be recorded: ${String(reason)}`),
      );
  }

  #call<T>(request: (onEvent: (event: TrainerEvent) => void) => Promise<T>): Promise<T> {
    const beat = () => this.#progress.beat();
    const { heartbeatTimeoutMs = 3 * 60_000 } = this.#activity.info;
    const p = { trainer: this.#deps.trainer, beat, afterFirst: 0.8 * heartbeatTimeoutMs };
    return watchedCall(p, (onSign) =>
      request((event) => {
        onSign();
        this.#publishing.onEvent(event);
        this.#progress.onEvent(event);
        const over = event.event === 'metric' ? this.#progress.overBudget() : null;
        if (over !== null && !this.#halt.signal.aborted) this.#halt.abort(over);
      }),
    );
  }

  /** Waits for the Hub with signs of life: the wait is ours and has a limit, so it is no hung trainer. */
  #alive<T>(wait: () => Promise<T>): Promise<T> {
    return alive(() => this.#progress.beat(), wait);
  }

  #log(line: string): void {
    this.#deps.log?.(line);
  }
}
