import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { execa } from 'execa';
import { devServer, ROOT } from './dev-server.ts';

const folder = mkdtempSync(join(tmpdir(), 'plein-air-schedules-'));
let environment: TestWorkflowEnvironment;
beforeAll(async () => {
  environment = await devServer();
}, 60_000);
afterAll(async () => {
  await environment?.teardown();
  rmSync(folder, { recursive: true, force: true });
});

const plainAir = (...args: string[]) =>
  execa(process.execPath, [join(ROOT, 'dist', 'cli', 'main.js'), ...args], {
    env: { NODE_OPTIONS: '', TEMPORAL_ADDRESS: environment.address },
    reject: false,
  });
const schedule = (model: string) =>
  environment.client.schedule.getHandle(`nightly-reevaluate-${model}`).describe();

describe('plein-air schedule apply', () => {
  it('brings about what the file says, and again without a change', async () => {
    const file = join(ROOT, 'temporal', 'schedules.yaml');
    const first = await plainAir('schedule', 'apply', '--file', file);
    expect(first.stdout).toContain('nightly-reevaluate-impressionist: created');
    const again = await plainAir('schedule', 'apply', '--file', file);
    expect(again.stdout).toContain('updated');
    const { spec, policies, action } = await schedule('impressionist');
    expect(spec.timezone).toBe('Europe/Paris');
    expect(policies).toMatchObject({ overlap: 'SKIP', catchupWindow: 3_600_000, pauseOnFailure: true });
    expect(action).toMatchObject({
      workflowType: 'reevaluate',
      args: [{ model: 'impressionist', namespace: null, onFail: 'rollback' }],
      retry: { maximumAttempts: 3 },
    });
  });

  it('leaves a schedule paused that a person paused', async () => {
    await plainAir('schedule', 'apply', 'harbour');
    await plainAir('schedule', 'pause', 'harbour');
    await plainAir('schedule', 'apply', 'harbour', '--cron', '30 4 * * 1');
    expect((await schedule('harbour')).state.paused).toBe(true);
  });

  it('names everything that is wrong with a file at once', async () => {
    const file = join(folder, 'bad.yaml');
    writeFileSync(file, 'schedules:\n  - { model: A, cron: nightly, timeZone: Paris, color: blue }\n');
    const { stderr, exitCode } = await plainAir('schedule', 'apply', '--file', file);
    for (const field of [
      'schedules.0.model',
      'schedules.0.cron',
      'schedules.0.timeZone',
      'schedules.0.color',
    ])
      expect(stderr).toContain(field);
    expect(exitCode).toBe(2);
  });
});
