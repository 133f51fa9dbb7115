import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { DEPLOYMENT, PIPELINE_QUEUE } from '../../src/domain/run/task-queues.ts';
import { deploymentProblem } from '../../src/temporal/deployment.ts';
import { bundle } from '../workflow/environment.ts';
import { devServer } from './dev-server.ts';

let environment: TestWorkflowEnvironment;
beforeAll(async () => {
  environment = await devServer();
}, 60_000);
afterAll(async () => {
  await environment?.teardown();
});

describe('versioned workers', () => {
  it('without a current version are named, with the command that makes one current', async () => {
    const { client } = environment;
    expect(await deploymentProblem(client)).toBeNull();
    const worker = await Worker.create({
      connection: environment.nativeConnection,
      taskQueue: PIPELINE_QUEUE,
      workflowBundle: await bundle(),
      workerDeploymentOptions: {
        useWorkerVersioning: true,
        version: { deploymentName: DEPLOYMENT, buildId: 'A' },
        defaultVersioningBehavior: 'PINNED',
      },
    });
    await worker.runUntil(async () => {
      let problem: string | null = null;
      while (problem === null) problem = await deploymentProblem(client);
      expect(problem).toContain(`set-current-version --deployment-name ${DEPLOYMENT} --build-id A`);
      await client.workflowService.setWorkerDeploymentCurrentVersion({
        ...{ namespace: 'default', deploymentName: DEPLOYMENT, buildId: 'A', identity: 'test' },
        ignoreMissingTaskQueues: true,
      });
      while (problem !== null) problem = await deploymentProblem(client);
    });
  }, 60_000);
});
