/** A pipeline worker for `release-kill.ts`: the real activities, a small Space app; says every step on stdout. */
import { readFile } from 'node:fs/promises';
import { activityInfo, Context } from '@temporalio/activity';
import { NativeConnection, Worker } from '@temporalio/worker';
import { createDeploy, createPublishRelease } from '../../../src/activities/release/deploy.ts';
import { createRollBack } from '../../../src/activities/release/roll-back.ts';
import { createNameRelease } from '../../../src/activities/run/open-run.ts';
import { connectHub } from '../../../src/hub/client.ts';
import { activityErrors } from '../../../src/workers/activity-errors.ts';

const [address = '', endpoint = '', token = '', codePath = ''] = process.argv.slice(2);
const hub = connectHub({ endpoint, accessToken: token });
const folder = new URL('../../space/small-app/', import.meta.url);
const deps = {
  hub,
  spaceToken: token,
  onStep: (step: string) => {
    process.stdout.write(`step ${step}\n`);
    Context.current().heartbeat(step);
  },
  signal: () => Context.current().cancellationSignal,
  app: async () => [
    { path: 'space/app.py', content: await readFile(new URL('app.py', folder)) },
    { path: 'space/mode.txt', content: Buffer.from('ok') },
  ],
};
const worker = await Worker.create({
  connection: await NativeConnection.connect({ address }),
  taskQueue: 'pipeline',
  workflowBundle: { codePath },
  maxHeartbeatThrottleInterval: '1s',
  defaultHeartbeatThrottleInterval: '1s',
  interceptors: { activity: [() => ({ inbound: activityErrors })] },
  activities: {
    publishRelease: createPublishRelease(deps),
    deploy: createDeploy(deps),
    nameRelease: createNameRelease({ hub }),
    rollBack: createRollBack({
      ...deps,
      operationId: () => activityInfo().workflowExecution?.runId ?? '',
    }),
  },
});
process.stdout.write('ready\n');
await worker.run();
