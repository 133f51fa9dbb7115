import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { readEnvironment } from '../../src/config/env.ts';
import { workflowBundle } from '../../src/config/paths.ts';
import type { RunStatus } from '../../src/domain/run/run-result.ts';
import { dataConverter } from '../../src/temporal/data-converter.ts';
import { activities, contextOf, trainingOf } from '../workflow/fakes.ts';
import { devServer, ROOT } from './dev-server.ts';

const SECRETS = ['garden-of-the-client', 'hf_secretToken', '/home/monet/private', 'a lily of the client'];

let environment: TestWorkflowEnvironment;
beforeAll(async () => {
  environment = await devServer();
}, 60_000);
afterAll(async () => {
  await environment?.teardown();
});

/** Everything that an export holds, also what is base64 in it. */
function textOf(history: unknown): string {
  const json = JSON.stringify(history);
  const hidden = json.match(/[A-Za-z0-9+/=]{16,}/g) ?? [];
  return [json, ...hidden.map((text) => Buffer.from(text, 'base64').toString('latin1'))].join('\n');
}

/** A run that pauses for a person, is told progress, and fails with an error that holds every secret. */
async function exported(keys: string | undefined): Promise<string> {
  const converter = dataConverter(readEnvironment({ PLEIN_AIR_CODEC_KEYS: keys }));
  const converting = converter === undefined ? {} : { dataConverter: converter };
  const { nativeConnection, connection } = environment;
  const client = new Client({ connection, ...converting });
  const operations = { searchAttributes: true, notifications: true };
  const queue = `pipeline`;
  const shared = {
    connection: nativeConnection,
    ...converting,
    activities: activities({
      openRun: async ({ config, workflowId }) => ({ ...contextOf(config, workflowId), operations }),
      train: async () => trainingOf({ path: '/home/monet/private/checkpoints' }),
      evaluate: async () => {
        throw ApplicationFailure.create({
          type: 'BadData',
          message: `no picture for "a lily of the client" in /home/monet/private with hf_secretToken`,
          details: [{ path: '/home/monet/private' }],
          nonRetryable: true,
        });
      },
    }),
  };
  const pipeline = await Worker.create({
    ...shared,
    taskQueue: queue,
    workflowBundle: { codePath: workflowBundle({ encrypted: true }) },
  });
  const gpu = await Worker.create({ ...shared, taskQueue: 'gpu' });
  const workflowId = keys === undefined ? 'plain' : 'sealed';
  await pipeline.runUntil(
    gpu.runUntil(async () => {
      const handle = await client.workflow.start('fineTune', {
        taskQueue: queue,
        workflowId,
        args: [
          {
            tuning: { strategy: 'fixed' },
            dataset: { style: 'Impressionism', trigger: 'garden-of-the-client' },
          },
        ],
        memo: { startedBy: 'a lily of the client' },
        staticSummary: 'garden-of-the-client',
      });
      await handle.signal('approve', { by: 'hf_secretToken', reason: 'a lily of the client' });
      await expect(handle.result()).rejects.toThrow();
      // Who has the key still reads all of it.
      expect((await handle.query<RunStatus>('status')).failure?.message).toContain('a lily of the client');
    }),
  );
  const handle = client.workflow.getHandle(workflowId);
  const description = await handle.describe();
  return textOf([historyToJSON(await handle.fetchHistory()), description.raw]);
}

describe('an exported history', () => {
  it('holds no prompt, token, path or error text where the codec is on', async () => {
    const text = await exported(`k1:${randomBytes(32).toString('base64')}`);
    for (const secret of SECRETS) expect(text).not.toContain(secret);
    expect(text).not.toContain(ROOT);
    expect(text).toContain('Encoded failure');
  }, 90_000);

  it('would show each of them without it, so that the test above can fail', async () => {
    const text = await exported(undefined);
    for (const secret of SECRETS) expect(text).toContain(secret);
  }, 90_000);
});
