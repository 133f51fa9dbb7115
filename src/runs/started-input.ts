import type { Client } from '@temporalio/client';
import { decodeArrayFromPayloads } from '@temporalio/common/lib/internal-non-workflow/index.js';

/** The input that a workflow was started with, from the first event of its history; null: it had none. */
export async function startedInput(
  client: Client,
  workflowId: string,
): Promise<Record<string, unknown> | null> {
  const { history } = await client.workflowService.getWorkflowExecutionHistory({
    namespace: client.options.namespace,
    execution: { workflowId },
    maximumPageSize: 1,
  });
  const started = history?.events?.[0]?.workflowExecutionStartedEventAttributes;
  const [input] = (await decodeArrayFromPayloads(
    client.options.loadedDataConverter,
    started?.input?.payloads,
  )) as unknown[];
  return typeof input === 'object' && input !== null ? (input as Record<string, unknown>) : null;
}
