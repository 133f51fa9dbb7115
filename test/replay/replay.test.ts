import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { DefaultLogger, Runtime, Worker, type WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { bundle, TRACING } from '../workflow/environment.ts';

const folder = fileURLToPath(new URL('./histories', import.meta.url));
const recordings = (existsSync(folder) ? readdirSync(folder, { recursive: true }) : [])
  .map(String)
  .filter((file) => file.endsWith('.json'));

describe('recorded histories', () => {
  let workflowBundle: WorkflowBundleWithSourceMap;
  beforeAll(async () => {
    Runtime.install({ logger: new DefaultLogger('ERROR', () => undefined) });
    workflowBundle = await bundle([TRACING]);
  }, 120_000);

  it('are there for every workflow that a run starts', () => {
    const types = new Set(recordings.map((file) => file.split('/').at(-1)));
    expect([...types]).toEqual(expect.arrayContaining(['fineTune.json', 'tune.json']));
  });

  it.each(recordings)('%s replays on today’s workflow code', async (file) => {
    const history = JSON.parse(readFileSync(join(folder, file), 'utf8'));
    // The workflow's own id is in its history, and children are named after it.
    const { workflowId } = history.events[0].workflowExecutionStartedEventAttributes;
    await Worker.runReplayHistory({ workflowBundle }, history, workflowId);
  });
});
