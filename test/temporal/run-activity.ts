import type { Client } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import { temporal } from '@temporalio/proto';

/**
 * Has a server run one activity and tells how it ended, without workflow code: the one command of the workflow is sent by
 * hand, and so is its result read.
 */
export async function runActivity(
  client: Client,
  p: { queue: string; type: string; input: unknown; id?: string },
): Promise<{ type: string; message: string }> {
  const service = client.workflowService;
  const { namespace } = client.options;
  const workflowId = p.id ?? p.queue;
  const own = { name: `${workflowId}-by-hand` };
  await client.workflow.start('byHand', { taskQueue: own.name, workflowId, args: [] });
  const ask = () =>
    client.withDeadline(Date.now() + 60_000, () =>
      service.pollWorkflowTaskQueue({ namespace, taskQueue: own, identity: 'test' }),
    );
  const { taskToken } = await ask();
  await service.respondWorkflowTaskCompleted({
    namespace,
    taskToken,
    identity: 'test',
    commands: [
      {
        commandType: temporal.api.enums.v1.CommandType.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK,
        scheduleActivityTaskCommandAttributes: {
          activityId: '1',
          activityType: { name: p.type },
          taskQueue: { name: p.queue },
          input: { payloads: [defaultPayloadConverter.toPayload(p.input)] },
          scheduleToCloseTimeout: { seconds: 60 as never },
          startToCloseTimeout: { seconds: 60 as never },
          heartbeatTimeout: { seconds: 30 as never },
          retryPolicy: { initialInterval: { nanos: 1e6 }, backoffCoefficient: 1 },
        },
      },
    ],
  });
  for (;;) {
    const { history } = await ask();
    for (const event of history?.events ?? []) {
      const failure = event.activityTaskFailedEventAttributes?.failure;
      if (failure)
        return { type: failure.applicationFailureInfo?.type ?? '', message: failure.message ?? '' };
      if (event.activityTaskCompletedEventAttributes || event.activityTaskTimedOutEventAttributes)
        return { type: 'none', message: '' };
    }
  }
}
