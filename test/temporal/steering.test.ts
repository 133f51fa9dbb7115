import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { execa } from 'execa';
import { bundle, withWorkers } from '../workflow/environment.ts';
import { activities, contextOf, stopped, trainingOf } from '../workflow/fakes.ts';
import { devServer, ROOT } from './dev-server.ts';

const folder = mkdtempSync(join(tmpdir(), 'plein-air-steering-'));
let environment: TestWorkflowEnvironment;
let workflowBundle: Awaited<ReturnType<typeof bundle>>;
beforeAll(async () => {
  [environment, workflowBundle] = await Promise.all([devServer(), bundle()]);
}, 120_000);
afterAll(async () => {
  await environment?.teardown();
  rmSync(folder, { recursive: true, force: true });
});

const plainAir = (...args: string[]) =>
  execa(process.execPath, [join(ROOT, 'dist', 'cli', 'main.js'), ...args, '--data-dir', folder], {
    env: { NODE_OPTIONS: '', TEMPORAL_ADDRESS: environment.address, NO_COLOR: '1' },
    reject: false,
  });
const start = (workflowId: string, input: object) =>
  environment.client.workflow.start('fineTune', { taskQueue: 'pipeline', workflowId, args: [input] });
const fixed = { tuning: { strategy: 'fixed' } };

/** Which commands steer a run, with what they need. */
const COMMANDS = [['pause'], ['cancel'], ['approve', '--reason', 'r'], ['reject', '--reason', 'r']] as const;

describe('a command that steers a run', () => {
  it('says in one sentence that a run has ended or is unknown, with exit code 2', async () => {
    await withWorkers({ environment, workflowBundle, activities: activities() }, async () => {
      await (await start('ended', fixed)).result();
    });
    const answers = await Promise.all(
      COMMANDS.flatMap(([name, ...more]) => [
        plainAir(name, 'ended', ...more),
        plainAir(name, 'nowhere', ...more),
      ]),
    );
    for (const { exitCode, stderr } of answers) {
      expect(exitCode).toBe(2);
      expect(stderr).toMatch(/^InvalidInput: .*(which has ended \(completed\)|does not know)/);
      expect(stderr.trim().split('\n')).toHaveLength(1);
    }
    const [listed, shown] = await Promise.all([plainAir('status'), plainAir('status', 'ended')]);
    expect(listed.stdout).toMatch(/ended +fineTune +done/);
    expect(shown.stdout).toMatch(/^ended DONE after/);
  }, 90_000);

  it('finds a run by its name where a client gave it another workflow id, and starts no twin', async () => {
    const all = activities({
      openRun: async ({ config }) => ({
        ...contextOf(config, 'twin-run'),
        operations: { searchAttributes: true, notifications: false },
      }),
      train: async () => trainingOf({ outcome: await stopped() }),
    });
    await withWorkers({ environment, workflowBundle, activities: all }, async () => {
      const handle = await start('Twin Run', fixed);
      const state = async (wanted: string): Promise<void> => {
        for (;;) {
          const { state: now, phase } = await handle.query<{ state: string; phase: string }>('status');
          if (now === wanted && phase === 'train') return;
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      };
      await state('running');
      expect((await plainAir('pause', 'twin-run')).stdout).toContain('Twin Run will save a checkpoint');
      await state('paused');
      // The list follows the server's visibility store, which is a moment behind.
      for (;;) if (/Twin Run +fineTune +paused +train/.test((await plainAir('status')).stdout)) break;
      const changed = await plainAir('resume', 'twin-run', '--gpu-hours', '9');
      expect(changed).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('cancel it first') });
      expect((await plainAir('resume', 'twin-run')).stdout).toBe('Twin Run continues');
      await state('running');
      expect((await plainAir('resume', 'twin-run')).stdout).toBe('Twin Run was not paused: it is running');
      await plainAir('cancel', 'twin-run');
      await expect(handle.result()).rejects.toThrow(/cancel/i);
      const shown = await plainAir('status', 'Twin Run');
      expect(shown.stdout).toMatch(/^Twin Run CANCELLED after/);
      expect(shown.stdout).toContain('plein-air resume');
    });
  }, 120_000);

  it('shows why a run failed, and which workflow task fails again and again', async () => {
    await withWorkers({ environment, workflowBundle, activities: activities() }, async () => {
      const handle = await start('failed', { profile: 'no such' });
      await expect(handle.result()).rejects.toThrow();
    });
    const unknown = await environment.client.workflow.start('nonsense', {
      ...{ taskQueue: 'pipeline', workflowId: 'misspelt' },
    });
    const worker = await Worker.create({
      ...{ connection: environment.nativeConnection, taskQueue: 'pipeline', workflowBundle },
    });
    const texts = await worker.runUntil(async () => {
      for (;;) {
        const { raw } = await unknown.describe();
        if ((raw.pendingWorkflowTask?.attempt ?? 0) >= 3) break;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      return Promise.all(['failed', 'misspelt'].map(async (run) => (await plainAir('status', run)).stdout));
    });
    expect(texts[0]).toMatch(/^failed FAILED after[\s\S]*InvalidInput: [\s\S]*profile/);
    expect(texts[1]).toMatch(/workflow task failed \d+ times: .*nonsense/);
    await unknown.terminate();
  }, 120_000);
});
