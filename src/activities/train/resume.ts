import { join } from 'node:path';
import { PipelineError } from '../../domain/errors.ts';
import type { CommitSha } from '../../domain/refs.ts';
import type { CheckpointManifest } from '../../domain/training/checkpoint.ts';
import type { CheckpointFolder } from '../../domain/training/checkpoint-choice.ts';
import { type MetricLine, metricsUpTo, parseMetricLog } from '../../domain/training/metric-log.ts';
import { fetchCheckpoint } from '../support/checkpoint-folder.ts';
import { chooseCheckpoint, fenced, LANE_FILES, type Lane, readFence, readLane } from './branch.ts';
import type { TakenLane } from './fence.ts';
import type { TrainPlan } from './plan.ts';

/** Where an attempt goes on from, with everything verified on this machine. */
export interface ResumePoint {
  /** Local folder of the checkpoint; null: from the start. */
  folder: string | null;
  /** What the checkpoint was made with. */
  fingerprint: CheckpointManifest['fingerprint'] | null;
  /** Where the lane's branch stands. */
  head: CommitSha;
  step: number;
  /** Newest first; the first one is the one in `folder`. */
  checkpoints: CheckpointFolder[];
  damaged: string[];
  damagedFolders: string[];
  /** Figures up to `step`. */
  metrics: MetricLine[];
}

/** Brings the newest checkpoint here; one whose bytes turn out damaged is reported, and the one before it used. */
export async function bringCheckpoint(p: {
  lane: Lane;
  taken: TakenLane;
  toFolder: string;
  signal: AbortSignal;
  onProgress: (doneBytes: number, totalBytes: number) => void;
  onDamage: (damage: string) => void;
}): Promise<ResumePoint> {
  const { lane, taken, signal, onProgress } = p;
  let head = taken.head;
  const checkpoints = [...taken.checkpoints];
  const damaged = [...taken.damaged];
  const damagedFolders = [...taken.damagedFolders];
  let folder: string | null = null;
  let fingerprint: ResumePoint['fingerprint'] = null;
  for (let next = checkpoints[0]; next !== undefined && folder === null; next = checkpoints[0]) {
    try {
      const toFolder = join(p.toFolder, 'resume');
      const local = await fetchCheckpoint({
        hub: lane.hub,
        ref: { ...lane.repo, commit: head },
        path: next.folder,
        toFolder,
        signal,
        onProgress,
      });
      folder = local.folder;
      fingerprint = local.manifest.fingerprint;
    } catch (error) {
      if (!isDamage(error)) throw error;
      const moved = await squashedHead(lane, taken.token, head);
      if (moved !== null) {
        head = moved;
        continue;
      }
      const damage = `${next.folder}: ${error.message}`;
      p.onDamage(damage);
      damaged.push(damage);
      damagedFolders.push(next.folder);
      checkpoints.shift();
    }
  }
  const step = checkpoints[0]?.step ?? 0;
  const log = await lane.hub.read(lane.repo, head, LANE_FILES.metrics);
  const metrics = metricsUpTo(parseMetricLog(log?.toString('utf8') ?? ''), step);
  return { folder, fingerprint, head, step, checkpoints, damaged, damagedFolders, metrics };
}

/** The lane's head when a squash by somebody else took the commit away that was read; null: the commit is there. */
async function squashedHead(lane: Lane, token: number, head: CommitSha): Promise<CommitSha | null> {
  if ((await lane.hub.resolve(lane.repo, head)) !== null) return null;
  const moved = await lane.hub.resolve(lane.repo, lane.branch);
  if (moved === null || moved === head) return null;
  const fence = await readFence(lane, moved);
  if (fence?.token !== token) throw fenced(lane, token, fence);
  return moved;
}

/**
 * Brings the newest checkpoint of the lane that a request continues from, none of whose folders are this lane's own; null
 * where it names none, or one without a whole checkpoint on the way to the last step.
 */
export async function borrowCheckpoint(
  p: Omit<Parameters<typeof bringCheckpoint>[0], 'lane' | 'taken'> & { plan: TrainPlan },
): Promise<ResumePoint | null> {
  const { plan } = p;
  const { continueFrom } = plan.request;
  if (continueFrom === undefined) return null;
  const lane: Lane = { ...plan.lane, branch: continueFrom };
  if ((await lane.hub.resolve(lane.repo, lane.branch)) === null) return null;
  const { head, fence, ledger, checkpoints } = await readLane(lane);
  const onTheWay = checkpoints.filter(({ step }) => step <= plan.lastStep);
  const { checkpoint, damaged } = await chooseCheckpoint(lane, head, onTheWay);
  if (checkpoint === null) return null;
  const whole = onTheWay.slice(onTheWay.indexOf(checkpoint));
  const taken = { token: fence?.token ?? 0, head, ledger, checkpoints: whole, damaged, damagedFolders: [] };
  const point = await bringCheckpoint({ ...p, lane, taken });
  return point.folder === null ? null : point;
}

/** Whether the trainer refused a checkpoint because it was made with other settings or on another kind of machine. */
export function isOtherKind(error: unknown): error is PipelineError {
  return (
    error instanceof PipelineError &&
    error.kind === 'InvalidInput' &&
    error.details.field === 'acceptDifferences'
  );
}

/** Whether a download failed because of what is stored, so that an older checkpoint may do. */
function isDamage(error: unknown): error is PipelineError {
  if (!(error instanceof PipelineError)) return false;
  return error.kind === 'Corrupt' || (error.kind === 'HubRefused' && error.details.status === 404);
}
