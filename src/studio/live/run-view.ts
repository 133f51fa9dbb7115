import { createHash } from 'node:crypto';
import type { Client } from '@temporalio/client';
import { parseRunConfig } from '../../domain/config/run-config.ts';
import { PipelineError } from '../../domain/errors.ts';
import type { GpuSession } from '../../domain/gpu-source/session.ts';
import { isWorkerOf } from '../../domain/gpu-source/session.ts';
import type { RunName } from '../../domain/refs.ts';
import { runNameFrom } from '../../domain/run/repositories.ts';
import { trainingCurves } from '../../reports/figures/plots.ts';
import { fleetStatus } from '../../runs/fleet-status.ts';
import { type RunSnapshot, takeSnapshot } from '../../runs/run-snapshot.ts';
import { unservedQueues } from '../../runs/start-run.ts';
import { startedInput } from '../../runs/started-input.ts';
import { Feed } from './feed.ts';
import { createLiveCurve, type LiveCurve } from './live-curve.ts';
import { createStoredRunReader, type StoredRun, storedRepos } from './run-records.ts';
import { askTemporal, reading, type Sources } from './source.ts';

/** All that Studio knows of a run at one moment. */
export interface RunView {
  workflowId: string;
  /** The newest one known; null: Temporal never answered, or knows no such run. */
  snapshot: RunSnapshot | null;
  /** The newest one known; null: the Hub never answered. */
  stored: StoredRun | null;
  /** Session of the fleet that works on it now. */
  session: GpuSession | null;
  /** Why work waits, in sentences. */
  obstacles: string[];
  /** What does not answer now, in sentences. */
  missing: string[];
  /** Neither Temporal nor the Hub knows it. */
  unknown: boolean;
  curve: LiveCurve;
  /** Changes with everything that the curve is drawn from. */
  curveVersion: string;
}

/** How often a run that is watched is asked for its status. */
const STATUS_MS = 1500;
/** How often the Hub is asked for what is new of it. */
const HUB_MS = 5000;
/** How often the curves are drawn anew for figures that are newer than the last checkpoint; the figures themselves are at once. */
const CURVE_MS = 8000;
/** How often a run that has ended is asked for: only a new start under its name would change it. */
const ENDED_MS = 15_000;

/** A run, read every 1.5 s from Temporal and every 5 s from the Hub while anybody watches it. */
export function createRunFeed(sources: Sources, workflowId: string): Feed<RunView> {
  const { client, hub } = sources;
  const live = createLiveCurve();
  let stored: {
    view: StoredRun | null;
    at: number;
    read: (() => Promise<StoredRun>) | null;
    last: string | null;
  } = {
    ...{ view: null, at: 0, read: null, last: null },
  };
  let snapshot: RunSnapshot | null = null;
  let askedAt = 0;

  async function readSnapshot(): Promise<Awaited<ReturnType<typeof reading<RunSnapshot | null>>>> {
    const isOver = snapshot !== null && snapshot.execution !== 'RUNNING';
    if (isOver && Date.now() - askedAt < ENDED_MS) return { ok: true, value: snapshot };
    askedAt = Date.now();
    return reading('Temporal', () => snapshotOrNull(client, workflowId));
  }

  async function readStored(missing: string[]): Promise<void> {
    const saved = snapshot?.pending.find(({ progress }) => progress?.lastCheckpoint != null)?.progress;
    const last = `${saved?.lastCheckpoint?.commit ?? ''} ${snapshot?.status?.phase ?? snapshot?.execution ?? ''}`;
    if (stored.view !== null && last === stored.last && Date.now() - stored.at < HUB_MS) return;
    const read = await reading('The Hub', async () => {
      const reader = stored.read ?? createStoredRunReader(hub, await reposOf(sources, workflowId));
      return { reader, view: await reader() };
    });
    if (read.ok) stored = { view: read.value.view, at: Date.now(), read: read.value.reader, last };
    else missing.push(read.why);
  }

  let drawn: { curve: LiveCurve; milestone: string; at: number } | null = null;
  /** The newest curve, or the one before while nothing but a few figures were added to it. */
  function settledCurve(curve: LiveCurve): LiveCurve {
    const milestone = `${stored.view?.checkpoints ?? ''} ${curve.preemptions.length} ${curve.loss.length > 0}`;
    if (drawn === null || drawn.milestone !== milestone || Date.now() - drawn.at >= CURVE_MS)
      drawn = { curve, milestone, at: Date.now() };
    return drawn.curve;
  }

  return new Feed(async () => {
    const missing: string[] = [];
    let unknown = false;
    const [asked] = await Promise.all([readSnapshot(), readStored(missing)]);
    if (!asked.ok) missing.push(asked.why);
    else if (asked.value === null) unknown = true;
    else snapshot = asked.value;
    const around =
      asked.ok && snapshot?.execution === 'RUNNING' ? await surroundings(client, snapshot) : NOTHING;
    const curve = settledCurve(live.join(stored.view, snapshot));
    return {
      ...{ workflowId, snapshot, stored: stored.view, missing, curve, ...around },
      unknown: unknown && (stored.view?.record ?? null) === null,
      curveVersion: createHash('sha256').update(JSON.stringify(curve)).digest('hex').slice(0, 16),
    };
  }, STATUS_MS);
}

const NOTHING = { session: null, obstacles: [] };

/** The snapshot; null: Temporal knows no such run. */
async function snapshotOrNull(client: Client, workflowId: string): Promise<RunSnapshot | null> {
  try {
    return await askTemporal(client, () => takeSnapshot(client, workflowId));
  } catch (error) {
    if (error instanceof PipelineError && error.kind === 'InvalidInput') return null;
    throw error;
  }
}

/** The machine that works on a run, and why it has none. */
async function surroundings(
  client: Client,
  snapshot: RunSnapshot,
): Promise<Pick<RunView, 'session' | 'obstacles'>> {
  const gpu = snapshot.status?.gpu ?? snapshot.study?.gpu ?? null;
  const isWaiting = snapshot.pending.some(({ running }) => !running);
  const [fleet, unserved] = await Promise.all([
    askTemporal(client, () => fleetStatus(client)).catch(() => null),
    isWaiting || snapshot.status === null
      ? askTemporal(client, () => unservedQueues(client)).catch(() => [])
      : [],
  ]);
  const worker = gpu?.worker ?? null;
  const session = worker === null ? null : fleet?.sessions.find(({ name }) => isWorkerOf(name, worker));
  return {
    session: session ?? null,
    obstacles: [
      // Where a fleet brings machines, a queue without workers is no reason for a person to act.
      ...(fleet === null ? unserved : unserved.filter((sentence) => !sentence.includes('"gpu'))),
      ...(isWaiting ? (fleet?.obstacles ?? []) : []),
    ],
  };
}

/** The repositories of a run, as its input and the Hub's token name them. */
async function reposOf(
  { client, namespace }: Pick<Sources, 'client' | 'namespace'>,
  workflowId: string,
): Promise<ReturnType<typeof storedRepos>> {
  const input = await askTemporal(client, () => startedInput(client, workflowId)).catch(() => null);
  const parsed = parseRunConfig(input ?? {});
  const config = parsed.ok && input !== null ? parsed.value : null;
  const run: RunName = config?.run ?? runNameFrom(workflowId);
  return storedRepos(config?.namespace ?? (await namespace()), run);
}

/** The curves of a run as SVG: drawn once for everybody who looks at the same figures. */
export function createCurveDrawer(): (view: RunView) => Promise<string> {
  let drawn: { version: string; svg: Promise<string> } | null = null;
  return (view) => {
    if (drawn?.version !== view.curveVersion)
      drawn = { version: view.curveVersion, svg: trainingCurves(view.curve) };
    return drawn.svg;
  };
}
