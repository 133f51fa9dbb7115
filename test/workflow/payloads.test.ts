import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { PROJECT } from '../../src/config/paths.ts';
import { MAX_INPUT } from '../../src/domain/config/run-config.ts';
import type { RunResult } from '../../src/domain/run/run-result.ts';
import { bundle, timeSkipping, withWorkers } from './environment.ts';
import { activities, gate } from './fakes.ts';

let environment: TestWorkflowEnvironment;
let workflowBundle: WorkflowBundleWithSourceMap;
beforeAll(async () => {
  [environment, workflowBundle] = await Promise.all([timeSkipping(), bundle()]);
}, 120_000);
afterAll(async () => {
  await environment?.teardown();
});

/** Temporal warns from 256 KiB on, and refuses a payload of 2 MiB. */
const MAX_PAYLOAD = 256 * 1024;

/** Sizes of all payloads in a history as JSON, in bytes. */
function payloads(value: unknown): number[] {
  if (typeof value !== 'object' || value === null) return [];
  const own =
    'metadata' in value && 'data' in value && typeof value.data === 'string'
      ? [Buffer.from(value.data, 'base64').length]
      : [];
  return [...own, ...Object.values(value).flatMap(payloads)];
}

const largest = (history: unknown) => Math.max(0, ...payloads(history));

describe('payloads', () => {
  it('are small in every recorded history', () => {
    const root = join(PROJECT, 'test', 'replay', 'histories');
    const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((f) => f.endsWith('.json'));
    expect(files.length).toBeGreaterThan(5);
    const sizes = files.map((file) => [file, largest(JSON.parse(readFileSync(join(root, file), 'utf8')))]);
    expect(sizes.filter(([, size]) => Number(size) > MAX_PAYLOAD)).toEqual([]);
    expect(Math.max(...sizes.map(([, size]) => Number(size)))).toBeGreaterThan(1000);
  });

  it('stay small for the largest input that is allowed, which runs to its end, and the next larger one is refused', async () => {
    const inputOf = (characters: number) => {
      const input = { run: 'largest', tuning: { strategy: 'fixed' }, dataset: { artists: ['a'] } };
      input.dataset.artists = Array.from({ length: 1000 }, (_, i) => `Painter ${String(i).padStart(4, '0')}`);
      const missing = characters - JSON.stringify(input).length;
      input.dataset.artists.push('x'.repeat(missing - 3));
      return input;
    };
    const input = inputOf(MAX_INPUT);
    expect(JSON.stringify(input)).toHaveLength(MAX_INPUT);
    const start = (workflowId: string, args: unknown[]) =>
      environment.client.workflow.start('fineTune', { taskQueue: 'pipeline', workflowId, args });
    const fakes = activities({ judge: async () => gate('PASS') });
    await withWorkers({ environment, workflowBundle, activities: fakes }, async () => {
      const handle = await start('largest', [input]);
      expect(((await handle.result()) as RunResult).release).not.toBeNull();
      const history = JSON.parse(historyToJSON(await handle.fetchHistory())) as unknown;
      expect(largest(history)).toBeGreaterThan(MAX_INPUT / 2);
      expect(largest(history)).toBeLessThan(MAX_PAYLOAD);
      const larger = await start('larger', [inputOf(MAX_INPUT + 1)]);
      await expect(larger.result()).rejects.toMatchObject({
        cause: { message: expect.stringContaining(`at most ${MAX_INPUT} characters`) },
      });
    });
  }, 60_000);
});
