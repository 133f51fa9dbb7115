import { z } from 'zod';
import { PipelineError } from '../../domain/errors.ts';
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
import { commitOnHead } from '../../hub/commit-on-head.ts';
import { licenseOf } from '../../releases/base-license.ts';
import { runNotices } from '../../reports/cards/run-notices.ts';
import type { ActivityContext } from '../support/activity-context.ts';
import { BRANCH_FILES, chooseCheckpoint, fenced, readBranch } from './branch.ts';
import { json } from './checkpoint-commit.ts';
import { knownResult, type TrainPlan } from './plan.ts';

/** A branch that this attempt may publish to, until somebody takes a higher token. */
export interface TakenBranch {
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
 * Takes the next fencing token by compare-and-swap on the branch's head; the loser of a race looks again. In the same commit the
 * ledger closes the attempt that vanished and opens this one. An attempt that slept until its successor had begun takes nothing.
 */
export async function takeFence(p: {
  plan: TrainPlan;
  activity: ActivityContext;
  machine?: string | undefined;
}): Promise<TakenBranch | { result: Training }> {
  const { plan, activity } = p;
  const { branch } = plan;
  const target = { repo: branch.repo, branch: branch.name, signal: activity.cancellationSignal };
  return commitOnHead<TakenBranch | { result: Training }>(branch.hub, target, async (head) => {
    if (head === null)
      throw new PipelineError(
        'HubUnavailable',
        `expected branch ${branch.name} in ${branch.repo.repo}, got none: it was deleted while an attempt began`,
      );
    const state = await readBranch(branch, head);
    const known = knownResult(plan, state);
    if (known !== null) return { done: { result: known } };
    const { checkpoint, damaged } = await chooseCheckpoint(branch, head, state.checkpoints);
    const intact = checkpoint === null ? [] : state.checkpoints.slice(state.checkpoints.indexOf(checkpoint));
    const token = (state.fence?.token ?? 0) + 1;
    if (isSucceeded(activity, state.fence)) throw fenced(branch, token, state.fence);
    const attempt = newAttempt({ ...p, token, step: checkpoint?.step ?? 0, damaged });
    const fence: Fence = { format: 1, token, owner: attempt.owner };
    const { context } = plan.request;
    // The first attempt's commit: what follows keeps them.
    const notices =
      token === 1
        ? runNotices({
            ...(await licenseOf(branch.hub, context.base)),
            ...{ base: context.base.repo, run: context.run, holds: 'checkpoints' },
          })
        : [];
    const ledger = beginAttempt(state.ledger, attempt, lastSeen(activity));
    const damagedFolders = state.checkpoints
      .slice(0, state.checkpoints.length - intact.length)
      .map(({ folder }) => folder);
    return {
      message: `Attempt ${token}`,
      files: [
        { path: BRANCH_FILES.fence, content: json(fence) },
        { path: BRANCH_FILES.ledger, content: json(ledger) },
        ...notices,
      ],
      delete: state.inherited.filter((path) => notices.every((file) => file.path !== path)),
      answer: (commit) => ({ token, head: commit, ledger, checkpoints: intact, damaged, damagedFolders }),
    };
  });
}

/** The ledger's record of an attempt that begins at a checkpoint. */
function newAttempt(p: {
  activity: ActivityContext;
  machine?: string | undefined;
  token: number;
  /** Of the checkpoint; 0: none. */
  step: number;
  damaged: string[];
}): AttemptRecord {
  return {
    token: p.token,
    owner: describeOwner(p.activity),
    ...(p.machine === undefined ? {} : { machine: p.machine }),
    runId: p.activity.info.workflowExecution?.runId ?? '',
    startedAt: Date.now(),
    resumedFrom: p.step,
    reached: p.step,
    checkpoints: 0,
    packs: 0,
    gpuSeconds: 0,
    ended: 'running',
    failure: null,
    damaged: p.damaged,
    accepted: [],
  };
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
