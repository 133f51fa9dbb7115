import { type Client, WorkflowNotFoundError, WorkflowUpdateFailedError } from '@temporalio/client';
import { PipelineError } from '../domain/errors.ts';
import type { RunStatus, StudyStatus } from '../domain/run/run-result.ts';
import { findRun, runUnderWay } from './find-run.ts';

/** A person's decision about a candidate; `by` and `reason` go into the record. */
export interface Decision {
  decision: 'approve' | 'reject';
  by: string;
  reason: string;
}

/**
 * Decides about a candidate that waits.
 *
 * @throws PipelineError where nothing waits, in the words of the run itself.
 */
export async function decide(
  client: Client,
  run: string,
  { decision, by, reason }: Decision,
): Promise<{ run: string; decision: string }> {
  try {
    const handle = await runUnderWay(client, run, decision);
    const answer = await handle.executeUpdate<string, [object]>(decision, { args: [{ by, reason }] });
    return { run: handle.workflowId, decision: answer };
  } catch (error) {
    if (error instanceof WorkflowUpdateFailedError || error instanceof WorkflowNotFoundError)
      throw new PipelineError(
        'InvalidInput',
        `${decision}: ${error.cause instanceof Error ? error.cause.message : error.message}`,
      );
    throw error;
  }
}

/** Asks a run to save a checkpoint and pause; its workflow id. */
export async function pauseRun(client: Client, run: string): Promise<string> {
  const handle = await runUnderWay(client, run, 'pause');
  await handle.signal('pause');
  return handle.workflowId;
}

/** Asks a run to save a checkpoint and end; its workflow id. */
export async function cancelRun(client: Client, run: string): Promise<string> {
  const handle = await runUnderWay(client, run, 'cancel');
  await handle.cancel();
  return handle.workflowId;
}

/** The workflow id of a run that is under way; null: it has ended, or the server does not know it. */
export async function liveRun(client: Client, name: string): Promise<string | null> {
  try {
    const { id, execution } = await findRun(client, name);
    return execution === 'RUNNING' ? id : null;
  } catch (error) {
    if (error instanceof PipelineError && error.kind === 'InvalidInput') return null;
    throw error;
  }
}

/** Continues a run that is under way; in words what became of it. */
export async function resumeLive(client: Client, id: string): Promise<string> {
  const handle = client.workflow.getHandle(id);
  const status = await handle.query<Partial<RunStatus & StudyStatus>>('status').catch(() => null);
  const isPaused = status?.state === 'paused' || status?.state === 'pausing' || status?.paused === true;
  await handle.signal('resume');
  return isPaused || status === null
    ? `${id} continues`
    : `${id} was not paused: it is ${status.state ?? 'running'}`;
}
