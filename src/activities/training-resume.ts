import { join } from 'node:path';
import type { CheckpointFolder } from '../domain/checkpoint-choice.ts';
import { PipelineError } from '../domain/errors.ts';
import { type MetricLine, metricsUpTo, parseMetricLog } from '../domain/metric-log.ts';
import { fetchCheckpoint } from './checkpoint-files.ts';
import type { TakenLane } from './training-fence.ts';
import { LANE_FILES, type Lane } from './training-lane.ts';

/** Where an attempt goes on from, with everything verified on this machine. */
export interface ResumePoint {
  /** Local folder of the checkpoint; null: from the start. */
  folder: string | null;
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
  const ref = { ...lane.repo, commit: taken.head };
  const checkpoints = [...taken.checkpoints];
  const damaged = [...taken.damaged];
  const damagedFolders = [...taken.damagedFolders];
  let folder: string | null = null;
  for (let next = checkpoints[0]; next !== undefined && folder === null; next = checkpoints[0]) {
    try {
      const toFolder = join(p.toFolder, 'resume');
      const local = await fetchCheckpoint({
        hub: lane.hub,
        ref,
        path: next.folder,
        toFolder,
        signal,
        onProgress,
      });
      folder = local.folder;
    } catch (error) {
      if (!isDamage(error)) throw error;
      const damage = `${next.folder}: ${error.message}`;
      p.onDamage(damage);
      damaged.push(damage);
      damagedFolders.push(next.folder);
      checkpoints.shift();
    }
  }
  const step = checkpoints[0]?.step ?? 0;
  const log = await lane.hub.read(lane.repo, taken.head, LANE_FILES.metrics);
  const metrics = metricsUpTo(parseMetricLog(log?.toString('utf8') ?? ''), step);
  return { folder, step, checkpoints, damaged, damagedFolders, metrics };
}

/** Whether a download failed because of what is stored, so that an older checkpoint may do. */
function isDamage(error: unknown): error is PipelineError {
  if (!(error instanceof PipelineError)) return false;
  return error.kind === 'Corrupt' || (error.kind === 'HubRefused' && error.details.status === 404);
}
