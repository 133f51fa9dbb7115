import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PipelineError } from '../../domain/errors.ts';
import type { CommitSha } from '../../domain/refs.ts';
import { type CheckpointFolder, dropped, type Retention } from '../../domain/training/checkpoint-choice.ts';
import {
  type AttemptRecord,
  type BranchResult,
  publishedCheckpoints,
  type TrainingLedger,
  updateAttempt,
} from '../../domain/training/ledger.ts';
import { formatMetricLog, type MetricLine, metricsUpTo } from '../../domain/training/metric-log.ts';
import { HubConflict } from '../../hub/errors.ts';
import type { CommitRequest } from '../../hub/hub.ts';
import { isError } from '../../hub/hub-failure.ts';
import { MANIFEST } from '../support/checkpoint-folder.ts';
import { BRANCH_FILES, fenced, readFence, type TrainingBranch } from './branch.ts';
import { checkpointFiles, json, type LocalSave, largeFilesOf, readSave } from './checkpoint-commit.ts';
import { tidyBranch } from './squash.ts';

/** How an attempt ends, published together with its last checkpoint. */
export interface AttemptEnd {
  ended: AttemptRecord['ended'];
  failure: string | null;
  result: BranchResult | null;
}

const MAX_PAUSE_MS = 30_000;

/** What a publisher starts from and whom it tells. */
export interface PublisherStart {
  branch: TrainingBranch;
  /** Fencing token of this attempt. */
  token: number;
  head: CommitSha;
  ledger: TrainingLedger;
  /** Checkpoints on the branch that are whole. */
  checkpoints: CheckpointFolder[];
  /** Folders found damaged, to be deleted with the first commit. */
  damagedFolders: string[];
  keep: Retention;
  /** Checkpoints between two squashes. */
  squashEvery: number;
  /** Least time between two checkpoints on the Hub; the end of the attempt does not wait for it. */
  minGapMs: number;
  /** Longest that training goes on while the Hub takes nothing. */
  unsavedLimitMs: number;
  metrics: () => readonly MetricLine[];
  /** Where training stands when a commit is made. */
  standing: () => { step: number; gpuSeconds: number };
  onPublished: (save: LocalSave, commit: CommitSha) => void;
  /** A newer checkpoint took the place of one that was still waiting. */
  onSuperseded: (save: LocalSave) => void;
  /** Called once when nothing more can be published: another attempt took over, or the Hub refuses. */
  onFailure: (error: unknown) => void;
  log: (line: string) => void;
  /** Monotonic milliseconds, and a wait that an abort cuts short; default: the real ones. */
  clock?: Clock;
}

/** Time as a publisher sees it. */
export interface Clock {
  now: () => number;
  sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

const REAL_CLOCK: Clock = {
  now: () => performance.now(),
  sleep: (ms, signal) => sleep(ms, undefined, { signal }).catch(() => undefined),
};

/**
 * Publishes checkpoints beside the training, one commit at a time. When the Hub is slower than the training, the newest
 * checkpoint replaces those that still wait; the last one is always published.
 */
export class CheckpointPublisher {
  readonly #start: PublisherStart;
  readonly #clock: Clock;
  #head: CommitSha;
  #ledger: TrainingLedger;
  #checkpoints: CheckpointFolder[];
  #damagedFolders: string[];
  #waiting: LocalSave | null = null;
  #end: AttemptEnd | null = null;
  #deadline = Number.POSITIVE_INFINITY;
  #failingSince: number | null = null;
  #publishing: LocalSave | null = null;
  #publishedAt = Number.NEGATIVE_INFINITY;
  #nap = new AbortController();
  #working: Promise<void> | null = null;
  #failure: Error | null = null;
  #over = false;
  readonly #wake = new AbortController();

  constructor(start: PublisherStart) {
    this.#start = start;
    this.#clock = start.clock ?? REAL_CLOCK;
    this.#head = start.head;
    this.#ledger = start.ledger;
    this.#checkpoints = start.checkpoints;
    this.#damagedFolders = start.damagedFolders;
  }

  /** Ledger as published. */
  get ledger(): TrainingLedger {
    return this.#ledger;
  }

  /** Whether a checkpoint still waits for the Hub. */
  get busy(): boolean {
    return this.#working !== null;
  }

  /** Hands a new checkpoint over; returns at once. */
  offer(save: LocalSave): void {
    if (this.#over) return;
    const before = this.#waiting;
    this.#waiting = save;
    if (before !== null && before !== this.#publishing) this.#start.onSuperseded(before);
    this.#work();
  }

  /** Changes the record of this attempt in the ledger; the next commit carries it. */
  amend(change: Partial<AttemptRecord>): void {
    this.#ledger = updateAttempt(this.#ledger, change);
  }

  /** Publishes what waits together with the attempt's end; throws what made it impossible within the limit. */
  async settle(end: AttemptEnd, limitMs: number): Promise<CommitSha> {
    this.#end = end;
    this.#deadline = this.#clock.now() + limitMs;
    this.#nap.abort();
    this.#work();
    while (this.#working !== null) await this.#working;
    if (this.#failure !== null) throw this.#failure;
    return this.#head;
  }

  /** Publishes nothing more; waits for a commit that is under way. */
  async discard(): Promise<void> {
    this.#over = true;
    this.#wake.abort();
    await this.#working;
  }

  #work(): void {
    if (this.#working !== null || this.#over) return;
    this.#working = this.#publishAll().finally(() => {
      this.#working = null;
    });
  }

  async #publishAll(): Promise<void> {
    for (let failures = 0; !this.#over && (this.#waiting !== null || this.#end !== null); ) {
      await this.#keepDistance();
      const save = this.#waiting;
      const end = this.#end;
      if (this.#over) return;
      this.#publishing = save;
      try {
        await this.#publish(save, end);
        failures = 0;
        if (this.#waiting === save) this.#waiting = null;
        if (end !== null) this.#end = null;
      } catch (error) {
        failures += 1;
        this.#publishing = null;
        if (this.#forgetVanished(save) || (await this.#mayGoOn(error, failures))) continue;
        this.#over = true;
        this.#failure = this.#describeFailure(error);
        this.#start.onFailure(this.#failure);
      } finally {
        this.#publishing = null;
      }
    }
  }

  /** Waits until the Hub may be given another checkpoint; an end that came meanwhile does not wait. */
  async #keepDistance(): Promise<void> {
    if (this.#end === null) await this.#sleep(this.#publishedAt + this.#start.minGapMs - this.#clock.now());
  }

  /** Sleeps until the time is over, the attempt settles, or nothing more is wanted. */
  async #sleep(ms: number): Promise<void> {
    if (!(ms > 0) || this.#over) return;
    this.#nap = new AbortController();
    const signal = AbortSignal.any([this.#wake.signal, this.#nap.signal]);
    await this.#clock.sleep(ms, signal);
  }

  /** A local copy that a full disk cost cannot be published any more; a newer one follows it. */
  #forgetVanished(save: LocalSave | null): boolean {
    if (save === null || existsSync(join(save.path, MANIFEST))) return false;
    this.#start.log(`${basename(save.path)} went from this disk before the Hub had it`);
    if (this.#waiting === save) this.#waiting = null;
    return true;
  }

  #describeFailure(error: unknown): Error {
    const { unsavedLimitMs } = this.#start;
    if (this.#failingSince === null || this.#clock.now() - this.#failingSince <= unsavedLimitMs)
      return isError(error) ? error : new Error(String(error));
    return new PipelineError(
      'HubUnavailable',
      `expected the Hub to take a checkpoint within ${unsavedLimitMs / 60_000} minutes (checkpoints.unsavedMinutes), got: ${isError(error) ? error.message : String(error)}. Training has stopped, and continues from the newest checkpoint on the Hub`,
      { cause: error },
    );
  }

  /** Whether publishing may be tried again: waits, or takes the head that a stranger left while the fence is still ours. */
  async #mayGoOn(error: unknown, failures: number): Promise<boolean> {
    if (error instanceof HubConflict) return true;
    const patient = error instanceof PipelineError && error.kind === 'HubUnavailable';
    this.#failingSince ??= this.#clock.now();
    const unsavedMs = this.#clock.now() - this.#failingSince;
    if (!patient || unsavedMs > this.#start.unsavedLimitMs || this.#clock.now() > this.#deadline)
      return false;
    this.#start.log(`checkpoint upload failed (attempt ${failures}), training continues: ${error.message}`);
    const wait = Math.min(MAX_PAUSE_MS, 1000 * 2 ** Math.min(failures, 8)) * (0.5 + Math.random() / 2);
    await this.#sleep(Math.min(wait, Math.max(0, this.#deadline - this.#clock.now())));
    return !this.#over;
  }

  async #publish(save: LocalSave | null, end: AttemptEnd | null): Promise<void> {
    const { branch, standing, token } = this.#start;
    const folder = save === null ? null : `checkpoints/${basename(save.path)}`;
    const { step, gpuSeconds } = standing();
    const newest = this.#ledger.attempts.at(-1);
    const counted = updateAttempt(this.#ledger, {
      reached: Math.max(newest?.reached ?? 0, step, save?.step ?? 0),
      checkpoints: (newest?.checkpoints ?? 0) + (save === null ? 0 : 1),
      gpuSeconds,
      ...(end === null ? {} : { ended: end.ended, failure: end.failure }),
    });
    const known = this.#checkpoints.filter((checkpoint) => checkpoint.folder !== folder);
    const all = folder === null || save === null ? known : [await readSave(save, folder), ...known];
    const gone = dropped(all, this.#start.keep, this.#heldOutLosses());
    const ledger: TrainingLedger = {
      ...counted,
      result: end === null ? counted.result : end.result,
      pendingDeletions: [...new Set([...counted.pendingDeletions, ...largeFilesOf(gone)])],
    };
    const request: CommitRequest = {
      repo: branch.repo,
      branch: branch.name,
      message: save === null ? `End of attempt ${token}` : `Checkpoint at step ${save.step}`,
      files: [
        ...(save === null || folder === null ? [] : await checkpointFiles(save, folder)),
        ...(save === null ? [] : [this.#metricsFile(save.step)]),
        { path: BRANCH_FILES.ledger, content: json(ledger) },
      ],
      delete: [...gone.map((checkpoint) => checkpoint.folder), ...this.#damagedFolders],
    };
    const due = (of: TrainingLedger) => Math.floor(publishedCheckpoints(of) / this.#start.squashEvery);
    const tidy = due(ledger) > due(this.#ledger) || (end !== null && end.result !== null);
    this.#head = await this.#swap(request);
    this.#failingSince = null;
    this.#publishedAt = this.#clock.now();
    this.#ledger = ledger;
    this.#checkpoints = all.filter((checkpoint) => !gone.includes(checkpoint));
    this.#damagedFolders = [];
    if (tidy) await this.#tidy();
    if (save !== null) this.#start.onPublished(save, this.#head);
  }

  /** Squashes and frees; a Hub that does not is asked again at the next occasion, and training does not suffer. */
  async #tidy(): Promise<void> {
    const { branch, token, log } = this.#start;
    try {
      const { head, stillReferenced } = await tidyBranch(branch, token, this.#ledger.pendingDeletions);
      this.#head = head;
      this.#ledger = { ...this.#ledger, pendingDeletions: stillReferenced };
    } catch (error) {
      if (error instanceof PipelineError && error.kind === 'Fenced') throw error;
      log(`history was not squashed: ${String(error)}`);
      this.#head = (await branch.hub.resolve(branch.repo, branch.name).catch(() => null)) ?? this.#head;
    }
  }

  #heldOutLosses(): Map<number, number> {
    const measured = this.#start.metrics().flatMap(({ step, values }) => {
      const { heldOutLoss } = values;
      return heldOutLoss === undefined ? [] : [[step, heldOutLoss] as const];
    });
    return new Map(measured);
  }

  #metricsFile(step: number): { path: string; content: string } {
    return { path: BRANCH_FILES.metrics, content: formatMetricLog(metricsUpTo(this.#start.metrics(), step)) };
  }

  /** Commits on our head. When the branch has moved, the fence decides: ours: on the new head; another's: `Fenced`. */
  async #swap(request: CommitRequest): Promise<CommitSha> {
    const { branch, token } = this.#start;
    try {
      return await branch.hub.commit({ ...request, parent: this.#head });
    } catch (error) {
      if (!(error instanceof HubConflict)) throw error;
      const head = await branch.hub.resolve(branch.repo, branch.name);
      const fence = head === null ? null : await readFence(branch, head);
      if (head === null || fence?.token !== token) throw fenced(branch, token, fence);
      this.#head = head;
      throw error;
    }
  }
}
