import { type Client, WorkflowExecutionAlreadyStartedError, WorkflowNotFoundError } from '@temporalio/client';
import { describeProblems, type Parsed } from '../domain/config/run-config.ts';
import { PipelineError } from '../domain/errors.ts';
import { gpuQueue, PIPELINE_QUEUE } from '../domain/run/task-queues.ts';

/** The value, or one error that lists every offending field with the words that the workflow would use. */
export function mustParse<T>(workflow: string, parsed: Parsed<T>): T {
  if (parsed.ok) return parsed.value;
  throw new PipelineError(
    'InvalidInput',
    `${workflow} cannot start with this input:\n${describeProblems(parsed.problems)}`,
    { details: { problems: parsed.problems } },
  );
}

/** Starts a workflow on queue `pipeline`; an id that is running already is an error, never silently kept. */
export async function startWorkflow(
  client: Client,
  p: {
    type: string;
    workflowId: string;
    input: unknown;
    summary?: string;
    memo?: Record<string, unknown>;
    priority?: number;
  },
): Promise<void> {
  try {
    await client.workflow.start(p.type, {
      taskQueue: 'pipeline',
      workflowId: p.workflowId,
      args: [p.input],
      workflowIdConflictPolicy: 'FAIL',
      ...(p.summary === undefined ? {} : { staticSummary: p.summary }),
      ...(p.memo === undefined ? {} : { memo: p.memo }),
      ...(p.priority === undefined ? {} : { priority: { priorityKey: p.priority } }),
    });
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError)
      throw new PipelineError(
        'InvalidInput',
        `expected a new run, got "${p.workflowId}", which is running: see "plein-air status ${p.workflowId}", or choose another name`,
        { cause: error },
      );
    throw error;
  }
}

/** Whether the server runs a workflow of this id now. */
export async function isRunning(client: Client, workflowId: string): Promise<boolean> {
  try {
    return (await client.workflow.getHandle(workflowId).describe()).status.name === 'RUNNING';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}

/** Workers that poll a task queue right now, by name. */
export async function pollers(client: Client, queue: string): Promise<string[]> {
  const kinds = queue === PIPELINE_QUEUE ? [1, 2] : [2];
  const found = new Set<string>();
  const { namespace } = client.options;
  const ask = (taskQueueType: number) =>
    client.workflowService.describeTaskQueue({ namespace, taskQueue: { name: queue }, taskQueueType });
  for (const answer of await Promise.all(kinds.map(ask))) {
    for (const poller of answer.pollers ?? []) {
      const age = Date.now() - Number(poller.lastAccessTime?.seconds ?? 0) * 1000;
      if (age < 70_000 && typeof poller.identity === 'string') found.add(poller.identity);
    }
  }
  return [...found];
}

/** Sentences about queues that nobody serves: a run would wait there without a word. */
export async function unservedQueues(client: Client, gpuSession: string | null = null): Promise<string[]> {
  const queues = [PIPELINE_QUEUE, gpuQueue(gpuSession)];
  const found = await Promise.all(queues.map((queue) => pollers(client, queue)));
  const sentences: string[] = [];
  for (const [index, queue] of queues.entries())
    if (found[index]?.length === 0)
      sentences.push(
        `no worker serves queue "${queue}": the run will wait there until one starts ("plein-air up" starts both)`,
      );
  return sentences;
}
