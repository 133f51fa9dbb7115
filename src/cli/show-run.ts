import type { Client } from '@temporalio/client';
import type { GpuWork } from '../domain/run/gpu-report.ts';
import { type Outcome, outcomeOf } from '../domain/run/outcome.ts';
import { GPU_QUEUE } from '../domain/run/task-queues.ts';
import { fleetStatus } from '../runs/fleet-status.ts';
import { stateOf } from '../runs/list-runs.ts';
import { type PendingActivity, type RunSnapshot, takeSnapshot } from '../runs/run-snapshot.ts';
import { unservedQueues } from '../runs/start-run.ts';
import { deploymentProblem } from '../temporal/deployment.ts';
import pc from './colors.ts';
import { fleetLines, sessionsOfRun } from './fleet-view.ts';
import { outcomeLine } from './outcome.ts';
import { duration, print } from './output.ts';
import { studyLines } from './study-view.ts';
import { phaseLine } from './watch-run.ts';

/** Shows one run: phases, the work under way with what is saved and what it cost, and what it needs. */
export async function showRun(client: Client, run: string, json: boolean): Promise<void> {
  const [snapshot, unserved, fleet, problem] = await Promise.all([
    takeSnapshot(client, run),
    unservedQueues(client),
    fleetStatus(client),
    deploymentProblem(client),
  ]);
  // Where a fleet brings machines, a queue without workers is no reason for a person to act.
  const found =
    fleet === null ? unserved : [...unserved.filter((w) => !w.includes(GPU_QUEUE)), ...fleetLines(fleet)];
  const all = problem === null ? found : [...found, problem];
  const warnings = snapshot.execution === 'RUNNING' ? all : [];
  const sessions = fleet === null ? [] : sessionsOfRun(fleet, runOf(snapshot), Date.now());
  print(json, { ...snapshot, warnings, sessions }, () =>
    [...describeSnapshot(snapshot, warnings), ...sessions.map((line) => pc.dim(line))].join('\n'),
  );
}

/** The run's name, which sessions are opened for; its workflow may have another id. */
function runOf({ status, workflowId }: RunSnapshot): string {
  return status?.run ?? workflowId;
}

/** A snapshot in lines for people. */
export function describeSnapshot(snapshot: RunSnapshot, warnings: string[], now = new Date()): string[] {
  const { status } = snapshot;
  const until = snapshot.closedAt ?? now;
  const lines = [
    `${pc.bold(snapshot.workflowId)} ${stateIn(snapshot)} after ${duration((until.getTime() - snapshot.startedAt.getTime()) / 1000)}`,
    ...(status?.phases ?? []).map(phaseLine),
  ];
  for (const activity of snapshot.pending) lines.push(`  ${describePending(activity, now)}`);
  if (status?.gpu != null) lines.push(...describeGpu(status.gpu, snapshot.pending, now).map((l) => `  ${l}`));
  if (snapshot.study !== null) lines.push(...studyLines(snapshot.study));
  if (status === null && snapshot.study === null && snapshot.execution === 'RUNNING')
    lines.push(
      pc.yellow(
        snapshot.failingTask === null
          ? '! the run did not answer: no pipeline worker is free to ask'
          : '! the run did not answer: its workflow task fails',
      ),
    );
  if (snapshot.failingTask !== null) {
    const { attempts, message } = snapshot.failingTask;
    lines.push(pc.red(`! workflow task failed ${attempts} times: ${message} (docs/runbook.md, TMPRL1100)`));
  }
  for (const warning of warnings) lines.push(pc.yellow(`! ${warning}`));
  if (status?.needs != null) lines.push(pc.yellow(`! ${status.needs}`));
  const outcome = outcomeOf(status ?? { ...NOTHING_KNOWN, failure: snapshot.failure });
  if (outcome.kind !== 'unfinished') lines.push(outcomeLine(outcome));
  // Of an input that could not work nothing is saved: the same words would be refused again.
  if (snapshot.failure !== null && snapshot.type === 'fineTune' && snapshot.failure.kind !== 'InvalidInput')
    lines.push(pc.dim(`continue it from what is saved: plein-air resume ${snapshot.workflowId}`));
  return lines;
}

const NOTHING_KNOWN = { phases: [], gate: null, approval: null, release: null };

/** The run's own state where it is known, else Temporal's; of one that has completed, what came of it. */
function stateIn({ execution, status }: RunSnapshot): string {
  const kind = status === null ? 'unfinished' : outcomeOf(status).kind;
  const ended = execution === 'COMPLETED' ? ENDS[kind] : undefined;
  const verdict = status?.gate?.verdict ?? '';
  return (ended ?? stateOf({ execution, state: status?.state ?? '', verdict })).toUpperCase();
}

/** A word for runs that have completed; the others are named by Temporal. */
const ENDS: Partial<Record<Outcome['kind'], string>> = {
  released: 'released',
  'released-against-gate': 'released',
  rejected: 'rejected',
  'not-approved': 'not approved',
};

function describePending(activity: PendingActivity, now: Date): string {
  const { type, running, worker, attempt, waitingSince, lastFailure } = activity;
  if (running) return `${type} runs on ${worker ?? 'a worker'}, attempt ${attempt}`;
  const since =
    waitingSince === null ? '' : ` for ${duration((now.getTime() - waitingSince.getTime()) / 1000)}`;
  const why = lastFailure === null ? '' : `, after: ${lastFailure.split('\n')[0]}`;
  return `${type} waits for a worker${since}, attempt ${attempt}${why}`;
}

/** Where GPU work stands: the newest heartbeat where one is known, else what the run was last told. */
function describeGpu(work: GpuWork, pending: PendingActivity[], now: Date): string[] {
  const live = pending.find(({ type, progress }) => type === work.activity && progress !== null)?.progress;
  const saved = live?.lastCheckpoint ?? work.lastCheckpoint;
  const done = live?.done ?? work.step;
  const total = live?.total ?? work.steps;
  const eta = live?.etaSeconds ?? work.etaSeconds;
  const lines: string[] = [];
  if (total > 0) {
    const left = eta === null ? '' : `, ${duration(eta)} left`;
    lines.push(`${live?.stage ?? work.stage} ${done} of ${total}${left}`);
  }
  if (saved !== null)
    lines.push(
      `checkpoint of step ${saved.step}, commit ${saved.commit.slice(0, 12)}, ${duration((now.getTime() - saved.at) / 1000)} old`,
    );
  lines.push(
    `${work.preemptions} preemptions, ${work.repeatedSteps} steps repeated, goodput ${(100 * work.goodput).toFixed(1)} %, ${work.gpuHoursLeft.toFixed(2)} GPU hours left`,
  );
  return lines;
}
