import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CheckpointFolder, checkpointOf, dropped } from '../domain/checkpoint-choice.ts';
import { PipelineError } from '../domain/errors.ts';
import { formatMetricLog, type MetricLine, metricsUpTo } from '../domain/metric-log.ts';
import type { CommitSha, Sha256 } from '../domain/refs.ts';
import {
  type AttemptRecord,
  type LaneResult,
  type LatestCheckpoint,
  type TrainingLedger,
  updateAttempt,
} from '../domain/training-ledger.ts';
import { type CommitRequest, HubConflict } from '../hub/hub.ts';
import { isError } from '../hub/hub-failure.ts';
import { LANE_FILES, type Lane, readFence } from './training-lane.ts';

/** A checkpoint that the trainer has finished on this machine. */
export interface LocalSave {
  step: number;
  /** Local folder; its name is kept on the Hub. */
  path: string;
  manifestSha256: Sha256;
}

/** How an attempt ends, published together with its last checkpoint. */
export interface AttemptEnd {
  ended: AttemptRecord['ended'];
  failure: string | null;
  result: LaneResult | null;
}

/** Longest that training goes on with a newest checkpoint that the Hub does not take. */
const UNSAVED_LIMIT_MS = 2 * 3600_000;
const LONGEST_PAUSE_MS = 30_000;

/** What a publisher starts from and whom it tells. */
export interface PublisherStart {
  lane: Lane;
  /** Fencing token of this attempt. */
  token: number;
  head: CommitSha;
  ledger: TrainingLedger;
  /** Checkpoints on the lane that are whole. */
  checkpoints: CheckpointFolder[];
  /** Folders found damaged, to be deleted with the first commit. */
  damagedFolders: string[];
  keep: number;
  metrics: () => readonly MetricLine[];
  /** Where training stands when a commit is made. */
  standing: () => { step: number; gpuSeconds: number };
  onPublished: (save: LocalSave, commit: CommitSha) => void;
  /** Called once when nothing more can be published: another attempt took over, or the Hub refuses. */
  onFailure: (error: unknown) => void;
  log: (line: string) => void;
}

/**
 * Publishes checkpoints beside the training, one commit at a time. When the Hub is slower than the training, the newest
 * checkpoint replaces those that still wait; the last one is always published.
 */
export class CheckpointPublisher {
  readonly #start: PublisherStart;
  #head: CommitSha;
  #ledger: TrainingLedger;
  #checkpoints: CheckpointFolder[];
  #damagedFolders: string[];
  #waiting: LocalSave | null = null;
  #end: AttemptEnd | null = null;
  #deadline = Number.POSITIVE_INFINITY;
  #failingSince: number | null = null;
  #working: Promise<void> | null = null;
  #failure: Error | null = null;
  #over = false;
  readonly #wake = new AbortController();

  constructor(start: PublisherStart) {
    this.#start = start;
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
    this.#waiting = save;
    this.#work();
  }

  /** Publishes what waits together with the attempt's end; throws what made it impossible within the limit. */
  async settle(end: AttemptEnd, limitMs: number): Promise<CommitSha> {
    this.#end = end;
    this.#deadline = Date.now() + limitMs;
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
      const save = this.#waiting;
      const end = this.#end;
      try {
        await this.#publish(save, end);
        failures = 0;
        if (this.#waiting === save) this.#waiting = null;
        if (end !== null) this.#end = null;
      } catch (error) {
        failures += 1;
        if (await this.#mayGoOn(error, failures)) continue;
        this.#over = true;
        this.#failure = isError(error) ? error : new Error(String(error));
        this.#start.onFailure(error);
      }
    }
  }

  /** Whether publishing may be tried again: waits, or takes the head that a stranger left while the fence is still ours. */
  async #mayGoOn(error: unknown, failures: number): Promise<boolean> {
    if (error instanceof HubConflict) return true;
    const patient = error instanceof PipelineError && error.kind === 'HubUnavailable';
    this.#failingSince ??= Date.now();
    const unsavedMs = Date.now() - this.#failingSince;
    if (!patient || unsavedMs > UNSAVED_LIMIT_MS || Date.now() > this.#deadline) return false;
    this.#start.log(
      `the Hub did not take a checkpoint (${failures}. time), training goes on: ${error.message}`,
    );
    const wait = Math.min(LONGEST_PAUSE_MS, 1000 * 2 ** Math.min(failures, 8)) * (0.5 + Math.random() / 2);
    await sleep(Math.min(wait, Math.max(0, this.#deadline - Date.now())), undefined, {
      signal: this.#wake.signal,
    }).catch(() => undefined);
    return !this.#over;
  }

  async #publish(save: LocalSave | null, end: AttemptEnd | null): Promise<void> {
    const { lane, standing, token } = this.#start;
    const folder = save === null ? null : `checkpoints/${basename(save.path)}`;
    const { step, gpuSeconds } = standing();
    const newest = this.#ledger.attempts.at(-1);
    const counted = updateAttempt(this.#ledger, {
      reached: Math.max(newest?.reached ?? 0, step, save?.step ?? 0),
      checkpoints: (newest?.checkpoints ?? 0) + (save === null ? 0 : 1),
      gpuSeconds,
      ...(end === null ? {} : { ended: end.ended, failure: end.failure }),
    });
    const ledger: TrainingLedger = end === null ? counted : { ...counted, result: end.result };
    const known = this.#checkpoints.filter((checkpoint) => checkpoint.folder !== folder);
    const all = folder === null ? known : [checkpointOf(folder), ...known];
    const gone = dropped(all, this.#start.keep);
    const request: CommitRequest = {
      repo: lane.repo,
      branch: lane.branch,
      message: save === null ? `End of attempt ${token}` : `Checkpoint at step ${save.step}`,
      files: [
        ...(save === null || folder === null ? [] : await checkpointFiles(save, folder)),
        ...(save === null ? [] : [this.#metricsFile(save.step)]),
        { path: LANE_FILES.ledger, content: json(ledger) },
      ],
      delete: [...gone, ...this.#damagedFolders],
    };
    this.#head = await this.#swap(request);
    this.#failingSince = null;
    this.#ledger = ledger;
    this.#checkpoints = all.filter((checkpoint) => !gone.includes(checkpoint.folder));
    this.#damagedFolders = [];
    if (save !== null) this.#start.onPublished(save, this.#head);
  }

  #metricsFile(step: number): { path: string; content: string } {
    return { path: LANE_FILES.metrics, content: formatMetricLog(metricsUpTo(this.#start.metrics(), step)) };
  }

  /** Commits on our head. When the branch has moved, the fence decides: ours: on the new head; another's: `Fenced`. */
  async #swap(request: CommitRequest): Promise<CommitSha> {
    const { lane, token } = this.#start;
    try {
      return await lane.hub.commit({ ...request, parent: this.#head });
    } catch (error) {
      if (!(error instanceof HubConflict)) throw error;
      const head = await lane.hub.resolve(lane.repo, lane.branch);
      const fence = head === null ? null : await readFence(lane, head);
      if (head === null || fence?.token !== token) throw fenced(lane, token, fence);
      this.#head = head;
      throw error;
    }
  }
}

/** The error of an attempt whose place another one has taken. */
export function fenced(
  lane: Lane,
  token: number,
  fence: { token: number; owner: string } | null,
): PipelineError {
  const other = fence === null ? 'no fence at all' : `token ${fence.token} of ${fence.owner}`;
  return new PipelineError(
    'Fenced',
    `expected to hold fencing token ${token} on ${lane.repo.repo} branch ${lane.branch}, got ${other}: this attempt stops and publishes nothing`,
  );
}

async function checkpointFiles(
  save: LocalSave,
  folder: string,
): Promise<NonNullable<CommitRequest['files']>> {
  const names = await readdir(save.path);
  const latest: LatestCheckpoint = {
    format: 1,
    step: save.step,
    path: folder,
    manifestSha256: save.manifestSha256,
  };
  return [
    ...names.sort().map((name) => ({ path: `${folder}/${name}`, content: { file: join(save.path, name) } })),
    { path: LANE_FILES.latest, content: json(latest) },
  ];
}

/** JSON as people like to read it in a repository. */
export function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
