import { type Client, type WorkflowHandle, WorkflowNotFoundError } from '@temporalio/client';
import { PipelineError } from '../domain/errors.ts';

/** How many runs under way are looked through for a run's name. */
const MAX_LOOKED_AT = 1000;

/**
 * The workflow id of a run, by this id or by the run's name: a client such as tctl may have chosen an id that differs from
 * the name. A run that is under way goes before an ended one.
 *
 * @throws PipelineError where the server knows neither.
 */
export async function findRun(client: Client, name: string): Promise<{ id: string; execution: string }> {
  const execution = await executionOf(client, name);
  if (execution === 'RUNNING') return { id: name, execution };
  let looked = 0;
  for await (const run of client.workflow.list({
    query: "ExecutionStatus = 'Running' AND WorkflowType = 'fineTune'",
  })) {
    if (run.memo?.run === name) return { id: run.workflowId, execution: 'RUNNING' };
    looked += 1;
    if (looked === MAX_LOOKED_AT) break;
  }
  if (execution !== null) return { id: name, execution };
  throw new PipelineError(
    'InvalidInput',
    `expected a run, got "${name}", which this Temporal server does not know: "plein-air status" lists the runs`,
  );
}

/** Temporal's word for how it is with a workflow; null: the server knows none of this id. */
async function executionOf(client: Client, workflowId: string): Promise<string | null> {
  try {
    return (await client.workflow.getHandle(workflowId).describe()).status.name;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return null;
    throw error;
  }
}

/**
 * The handle of a run that is under way, for a command that steers it.
 *
 * @throws PipelineError where there is none, or where it has ended.
 */
export async function runUnderWay(client: Client, name: string, command: string): Promise<WorkflowHandle> {
  const { id, execution } = await findRun(client, name);
  if (execution !== 'RUNNING')
    throw new PipelineError(
      'InvalidInput',
      `${command}: expected a run that is under way, got "${id}", which has ended (${execution.toLowerCase()}): "plein-air status ${id}" shows how, "plein-air resume ${id}" starts it again from what the Hub holds`,
    );
  return client.workflow.getHandle(id);
}
