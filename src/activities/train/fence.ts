import { z } from 'zod';
import type { CommitSha } from '../../domain/refs.ts';
import type { Fence } from '../../domain/training/checkpoint.ts';
import type { CheckpointFolder } from '../../domain/training/checkpoint-choice.ts';
import {
  type AttemptRecord,
  beginAttempt,
  type LastSeen,
  type TrainingLedger,
} from '../../domain/training/ledger.ts';
import type { Training } from '../../domain/training/training.ts';
import { HubConflict } from '../../hub/errors.ts';
import { runNotices } from '../../reports/cards/run-notices.ts';
import type { ActivityContext } from '../support/activity-context.ts';
import { chooseCheckpoint, fenced, LANE_FILES, readLane } from './branch.ts';
import { json } from './checkpoint-commit.ts';
import { knownResult, type TrainPlan } from './plan.ts';

/** A lane that this attempt may publish to, until somebody takes a higher token. */
export interface TakenLane {
  token: number;
  head: CommitSha;
  ledger: TrainingLedger;
  /** Newest first; the first one looks whole. */
  checkpoints: CheckpointFolder[];
  /** Sentences about checkpoints that were passed over. */
  damaged: string[];
  damagedFolders: string[];
}

const Details = z.object({ metrics: z.record(z.string(), z.number()) });

/** Figures that the attempt before this one had last reported in a heartbeat. */
export function reportedMetrics({ info }: ActivityContext): Record<string, number> {
  return Details.safeParse(info.heartbeatDetails).data?.metrics ?? {};
}

/**
 * Takes the next fencing token by compare-and-swap on the lane's head; the loser of a race looks again. In the same commit the
 * ledger closes the attempt that vanished and opens this one. An attempt that slept until its successor had begun takes nothing.
 */
export async function takeFence(p: {
  plan: TrainPlan;
  activity: ActivityContext;
  machine?: string | undefined;
}): Promise<TakenLane | { result: Training }> {
  const { plan, activity } = p;
  const { hub, repo, branch } = plan.lane;
  for (;;) {
    activity.cancellationSignal.throwIfAborted();
    const state = await readLane(plan.lane);
    const known = knownResult(plan, state);
    if (known !== null) return { result: known };
    const { checkpoint, damaged } = await chooseCheckpoint(plan.lane, state.head, state.checkpoints);
    const whole = checkpoint === null ? [] : state.checkpoints.slice(state.checkpoints.indexOf(checkpoint));
    const token = (state.fence?.token ?? 0) + 1;
    if (isSucceeded(activity, state.fence)) throw fenced(plan.lane, token, state.fence);
    const owner = describeOwner(activity);
    const fence: Fence = { format: 1, token, owner };
    const attempt: AttemptRecord = {
      token,
      owner,
      ...(p.machine === undefined ? {} : { machine: p.machine }),
      runId: activity.info.workflowExecution?.runId ?? '',
      startedAt: Date.now(),
      resumedFrom: checkpoint?.step ?? 0,
      reached: checkpoint?.step ?? 0,
      checkpoints: 0,
      packs: 0,
      gpuSeconds: 0,
      ended: 'running',
      failure: null,
      damaged,
      accepted: [],
    };
    const { context } = plan.request;
    // The first attempt's commit: what follows keeps them.
    const notices =
      token === 1 ? runNotices({ base: context.base.repo, run: context.run, holds: 'checkpoints' }) : [];
    const ledger = beginAttempt(state.ledger, attempt, lastSeen(activity));
    try {
      const head = await hub.commit({
        repo,
        branch,
        parent: state.head,
        message: `Attempt ${token}`,
        files: [
          { path: LANE_FILES.fence, content: json(fence) },
          { path: LANE_FILES.ledger, content: json(ledger) },
          ...notices,
        ],
        delete: state.inherited.filter((path) => notices.every((file) => file.path !== path)),
        signal: activity.cancellationSignal,
      });
      const damagedFolders = state.checkpoints
        .slice(0, state.checkpoints.length - whole.length)
        .map(({ folder }) => folder);
      return { token, head, ledger, checkpoints: whole, damaged, damagedFolders };
    } catch (error) {
      if (!(error instanceof HubConflict)) throw error;
    }
  }
}

function lastSeen(activity: ActivityContext): LastSeen {
  const { step, gpuSeconds, packs } = reportedMetrics(activity);
  return {
    step: step === undefined ? null : Math.round(step),
    gpuSeconds: gpuSeconds ?? null,
    packs: packs ?? null,
  };
}

function describeOwner({ info }: ActivityContext): string {
  const { workflowId = 'no-workflow', runId = '' } = info.workflowExecution ?? {};
  return `${workflowId} ${runId} activity ${info.activityId} attempt ${info.attempt}`;
}

/** Whether a later attempt at the same activity holds the fence. */
function isSucceeded(activity: ActivityContext, fence: Fence | null): boolean {
  const ours = describeOwner(activity).replace(/\d+$/, '');
  return (
    fence?.owner.startsWith(ours) === true && Number(fence.owner.slice(ours.length)) > activity.info.attempt
  );
}
