import { type Client, WorkflowFailedError, WorkflowNotFoundError } from '@temporalio/client';
import { decodeArrayFromPayloads } from '@temporalio/common/lib/internal-non-workflow/index.js';
import { cutMessage, PipelineError } from '../domain/errors.ts';
import type { GpuProgress } from '../domain/run/activities.ts';
import type { Failure } from '../domain/run/outcome.ts';
import { initialProgress } from '../domain/run/progress.ts';
import type { RunStatus, StudyStatus } from '../domain/run/run-result.ts';
import { describeFailure } from '../workflows/support/failures.ts';

/** An activity that is scheduled or running, as the server knows it. */
export interface PendingActivity {
  type: string;
  running: boolean;
  attempt: number;
  /** Worker that runs it; null while it waits. */
  worker: string | null;
  lastFailure: string | null;
  /** When it was put on its queue, or its last attempt ended; null while it runs. */
  waitingSince: Date | null;
  progress: GpuProgress | null;
}

/** All that can be known about a run at one moment. */
export interface RunSnapshot {
  workflowId: string;
  type: string;
  /** Temporal's word: RUNNING, COMPLETED, FAILED, CANCELLED, TERMINATED, … */
  execution: string;
  startedAt: Date;
  closedAt: Date | null;
  status: RunStatus | null;
  /** The run's study, while it goes on; of a study on its own, at any time that a worker can tell. */
  study: StudyStatus | null;
  pending: PendingActivity[];
  /** The workflow task that fails again and again; null: none does. */
  failingTask: { attempts: number; message: string } | null;
  /** Why it ended, where it ended otherwise than well. */
  failure: Failure | null;
}

/** Reads a run's status, the activities under way and their newest heartbeats. */
export async function takeSnapshot(client: Client, workflowId: string): Promise<RunSnapshot> {
  const handle = client.workflow.getHandle(workflowId);
  try {
    const description = await handle.describe();
    const running = description.status.name === 'RUNNING';
    const read = (raw: RawPending) => readPending(client, raw);
    const pending = await Promise.all((description.raw.pendingActivities ?? []).map(read));
    const children = description.raw.pendingChildren ?? [];
    let study: StudyStatus | null = null;
    for (const child of children) {
      if (typeof child.workflowId !== 'string') continue;
      const inner = await client.workflow.getHandle(child.workflowId).describe();
      pending.push(...(await Promise.all((inner.raw.pendingActivities ?? []).map(read))));
      study ??= asStudy(await queryStatus(client, child.workflowId));
    }
    const status = await queryStatus(client, workflowId);
    return {
      workflowId,
      type: description.type,
      execution: description.status.name,
      startedAt: description.startTime,
      closedAt: description.closeTime ?? null,
      status: isStudy(status) ? null : status,
      study: asStudy(status) ?? study,
      pending,
      failingTask: running ? await failingTask(client, workflowId, description.raw) : null,
      failure: running ? null : await failureOf(client, workflowId),
    };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError)
      throw new PipelineError(
        'InvalidInput',
        `expected a run, got "${workflowId}", which this Temporal server does not know: "plein-air status" lists the runs`,
        { cause: error },
      );
    throw error;
  }
}

/** Attempts of a workflow task from which on it is told: one or two are ordinary when a worker restarts. */
const FAILING_ATTEMPTS = 3;

/** What is wrong with a workflow's task, from the newest failure in its history. */
async function failingTask(
  client: Client,
  workflowId: string,
  raw: { pendingWorkflowTask?: { attempt?: number | null } | null },
): Promise<RunSnapshot['failingTask']> {
  const attempts = raw.pendingWorkflowTask?.attempt ?? 0;
  if (attempts < FAILING_ATTEMPTS) return null;
  const { history } = await client.workflowService.getWorkflowExecutionHistoryReverse({
    namespace: client.options.namespace,
    execution: { workflowId },
    maximumPageSize: 20,
  });
  const failed = history?.events?.find((event) => event.workflowTaskFailedEventAttributes != null);
  const message = failed?.workflowTaskFailedEventAttributes?.failure?.message ?? 'no worker said why';
  return { attempts, message: cutMessage(message.split('\n')[0] ?? '', 500) };
}

/** Why a workflow that has ended did not end well; null: it did. */
async function failureOf(client: Client, workflowId: string): Promise<Failure | null> {
  try {
    await client.workflow.getHandle(workflowId).result();
    return null;
  } catch (error) {
    // A server that did not answer says nothing about how the workflow ended.
    if (!(error instanceof WorkflowFailedError)) throw error;
    return describeFailure(error);
  }
}

/** The workflow's own answer; null while no worker can give it. */
async function queryStatus(client: Client, workflowId: string): Promise<RunStatus | StudyStatus | null> {
  try {
    return await client.withDeadline(Date.now() + 3000, () =>
      client.workflow.getHandle(workflowId).query<RunStatus | StudyStatus>('status'),
    );
  } catch {
    return null;
  }
}

/** A query's answer that is a study's, whatever workflow it came from. */
export function isStudy(status: unknown): status is StudyStatus {
  return typeof status === 'object' && status !== null && 'wanted' in status && 'trials' in status;
}

function asStudy(status: unknown): StudyStatus | null {
  return isStudy(status) ? status : null;
}

type RawPending = NonNullable<
  Awaited<ReturnType<ReturnType<Client['workflow']['getHandle']>['describe']>>['raw']['pendingActivities']
>[number];

async function readPending(client: Client, raw: RawPending): Promise<PendingActivity> {
  const [details] = (await decodeArrayFromPayloads(
    client.options.loadedDataConverter,
    raw.heartbeatDetails?.payloads,
  ).catch(() => [])) as unknown[];
  return {
    type: raw.activityType?.name ?? '',
    running: raw.lastWorkerIdentity !== '' && raw.state === 2,
    attempt: raw.attempt ?? 1,
    worker: raw.state === 2 ? (raw.lastWorkerIdentity ?? null) : null,
    lastFailure: raw.lastFailure?.message ?? null,
    progress: asProgress(details),
    waitingSince:
      raw.state === 2
        ? null
        : dateOf(
            raw.attempt === 1 ? raw.scheduledTime : (raw.lastAttemptCompleteTime ?? raw.lastStartedTime),
          ),
  };
}

function dateOf(time: { seconds?: unknown } | null | undefined): Date | null {
  return time?.seconds == null ? null : new Date(Number(time.seconds) * 1000);
}

function asProgress(details: unknown): GpuProgress | null {
  return typeof details === 'object' && details !== null && 'stage' in details && 'total' in details
    ? { ...initialProgress(), ...(details as Partial<GpuProgress>) }
    : null;
}
