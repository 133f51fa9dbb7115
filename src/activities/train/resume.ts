import { join } from 'node:path';
import { PipelineError } from '../../domain/errors.ts';
import type { CommitSha } from '../../domain/refs.ts';
import type { CheckpointManifest } from '../../domain/training/checkpoint.ts';
import type { CheckpointFolder } from '../../domain/training/checkpoint-choice.ts';
import { type MetricLine, metricsUpTo, parseMetricLog } from '../../domain/training/metric-log.ts';
import { fetchCheckpoint } from '../support/checkpoint-folder.ts';
import {
  BRANCH_FILES,
  chooseCheckpoint,
  fenced,
  readBranch,
  readFence,
  type TrainingBranch,
} from './branch.ts';
import type { TakenBranch } from './fence.ts';
import type { TrainPlan } from './plan.ts';

/** Where an attempt goes on from, with everything verified on this machine. */
export interface ResumePoint {
  /** Local folder of the checkpoint; null: from the start. */
  folder: string | null;
  /** What the checkpoint was made with. */
  fingerprint: CheckpointManifest['fingerprint'] | null;
  /** Head of the branch. */
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
async function bringCheckpoint(p: {
  branch: TrainingBranch;
  taken: TakenBranch;
  toFolder: string;
  signal: AbortSignal;
  onProgress: (doneBytes: number, totalBytes: number) => void;
  onDamage: (damage: string) => void;
}): Promise<ResumePoint> {
  const { branch, taken, signal, onProgress } = p;
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
        hub: branch.hub,
        ref: { ...branch.repo, commit: head },
        path: next.folder,
        toFolder,
        signal,
        onProgress,
      });
      folder = local.folder;
      fingerprint = local.manifest.fingerprint;
    } catch (error) {
      if (!isDamage(error)) throw error;
      const moved = await squashedHead(branch, taken.token, head);
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
  const log = await branch.hub.read(branch.repo, head, BRANCH_FILES.metrics);
  const metrics = metricsUpTo(parseMetricLog(log?.toString('utf8') ?? ''), step);
  return { folder, fingerprint, head, step, checkpoints, damaged, damagedFolders, metrics };
}

/** The branch's head when a squash by somebody else took the commit away that was read; null: the commit is there. */
async function squashedHead(
  branch: TrainingBranch,
  token: number,
  head: CommitSha,
): Promise<CommitSha | null> {
  if ((await branch.hub.resolve(branch.repo, head)) !== null) return null;
  const moved = await branch.hub.resolve(branch.repo, branch.name);
  if (moved === null || moved === head) return null;
  const fence = await readFence(branch, moved);
  if (fence?.token !== token) throw fenced(branch, token, fence);
  return moved;
}

/**
 * Brings the newest checkpoint of the branch that a request continues from, none of whose folders are this branch's own; null
 * where it names none, or one without a whole checkpoint on the way to the last step.
 */
async function borrowCheckpoint(
  p: Omit<Parameters<typeof bringCheckpoint>[0], 'branch' | 'taken'> & { plan: TrainPlan },
): Promise<ResumePoint | null> {
  const { plan } = p;
  const { continueFrom } = plan.request;
  if (continueFrom === undefined) return null;
  const branch: TrainingBranch = { ...plan.branch, name: continueFrom };
  if ((await branch.hub.resolve(branch.repo, branch.name)) === null) return null;
  const { head, fence, ledger, checkpoints } = await readBranch(branch);
  const onTheWay = checkpoints.filter(({ step }) => step <= plan.lastStep);
  const { checkpoint, damaged } = await chooseCheckpoint(branch, head, onTheWay);
  if (checkpoint === null) return null;
  const whole = onTheWay.slice(onTheWay.indexOf(checkpoint));
  const taken = { token: fence?.token ?? 0, head, ledger, checkpoints: whole, damaged, damagedFolders: [] };
  const point = await bringCheckpoint({ ...p, branch, taken });
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

/** What a training continues from: its own newest checkpoint, and the one of another branch that takes its place. */
export interface Beginning {
  own: ResumePoint;
  borrowed: ResumePoint | null;
}

/** Brings the newest whole checkpoint, or that of the branch to continue from where there is none. */
export async function findBeginning(p: {
  plan: TrainPlan;
  taken: TakenBranch;
  toFolder: string;
  signal: AbortSignal;
  onProgress: (doneBytes: number, totalBytes: number) => void;
  log: (line: string) => void;
}): Promise<Beginning> {
  const { plan, taken, log, ...where } = p;
  const bring = { ...where, onDamage: (damage: string) => log(`skipped a corrupt checkpoint: ${damage}`) };
  const own = await bringCheckpoint({ ...bring, branch: plan.branch, taken });
  const borrowed = own.folder === null ? await borrowCheckpoint({ ...bring, plan }) : null;
  if (borrowed !== null) log(`continues at step ${borrowed.step} from branch ${plan.request.continueFrom}`);
  return { own, borrowed };
}
