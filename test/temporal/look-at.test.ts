import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ApplicationFailure } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { execa } from 'execa';
import { RepoId } from '../../src/domain/refs.ts';
import { connectHub } from '../../src/hub/client.ts';
import { startHubInTest, TOKEN } from '../local-hub/hub-in-test.ts';
import { bundle, withWorkers } from '../workflow/environment.ts';
import { activities } from '../workflow/fakes.ts';
import { devServer, ROOT } from './dev-server.ts';

let environment: TestWorkflowEnvironment;
let hub: Awaited<ReturnType<typeof startHubInTest>>;
beforeAll(async () => {
  [environment, hub] = await Promise.all([devServer(), startHubInTest()]);
}, 60_000);
afterAll(async () => {
  await environment?.teardown();
  await hub?.stop();
});

const plainAir = (...args: string[]) =>
  execa(process.execPath, [join(ROOT, 'dist', 'cli', 'main.js'), ...args], {
    env: { NODE_OPTIONS: '', TEMPORAL_ADDRESS: environment.address, HF_ENDPOINT: hub.url, HF_TOKEN: TOKEN },
    reject: false,
  });

describe('a run that has failed', () => {
  it('tells what happened in it, where it is, and can be deleted', async () => {
    const client = connectHub({ endpoint: hub.url, accessToken: TOKEN });
    const record = { type: 'dataset', repo: RepoId.parse('plein-air/evening-record') } as const;
    await client.ensureRepo(record);
    await client.commit({ repo: record, message: 'A record', files: [{ path: 'a', content: 'a' }] });
    const diverged = async (): Promise<never> => {
      throw ApplicationFailure.create({ type: 'Diverged', message: 'loss is NaN', nonRetryable: true });
    };
    const input = { run: 'evening', tuning: { strategy: 'random', trials: 1 } };
    const fakes = activities({ train: diverged });
    await withWorkers({ environment, workflowBundle: await bundle(), activities: fakes }, async () => {
      const handle = await environment.client.workflow.start('fineTune', {
        ...{ taskQueue: 'pipeline', workflowId: 'evening', args: [input] },
      });
      await handle.result().catch(() => undefined);
      const logs = await plainAir('logs', 'evening');
      expect(logs.stdout).toMatch(/evening-tune.* train failed: Diverged: loss is NaN/);
      expect(logs.stdout).toMatch(/openRun on .*\n.*openRun done/);
      expect(logs.stdout).not.toContain('signal progress');
      const open = JSON.parse((await plainAir('open', 'evening', '--json')).stdout) as object;
      expect(open).toEqual({ records: `${hub.url}/datasets/plein-air/evening-record` });
    });
    const unasked = await plainAir('delete', 'evening');
    expect([unasked.exitCode, unasked.stderr]).toEqual([2, expect.stringContaining('expected --yes')]);
    const deleted = await plainAir('delete', 'evening', '--yes');
    expect(deleted.stdout).toContain('plein-air/evening-record');
    expect(await client.resolve(record)).toBeNull();
    expect((await plainAir('logs', 'nosuch')).exitCode).toBe(2);
    expect((await plainAir('delete', 'nosuch', '--yes')).exitCode).toBe(2);
  }, 120_000);
});
