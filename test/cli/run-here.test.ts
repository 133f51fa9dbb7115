import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { beginRun } from '../../src/cli/commands/run-here.ts';
import { parseRunConfig } from '../../src/domain/config/run-config.ts';
import { RunName } from '../../src/domain/refs.ts';
import { connectHub } from '../../src/hub/client.ts';
import { startLocalHub } from '../../src/local-hub/server.ts';
import { recordOf } from '../../src/runs/recorded-input.ts';
import { TOKEN } from '../local-hub/hub-in-test.ts';

let root: string;
let server: Awaited<ReturnType<typeof startLocalHub>>;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'plein-air-run-here-'));
  server = await startLocalHub({ root });
});
afterAll(async () => {
  await server.close();
  await rm(root, { recursive: true, force: true });
});

/** What a run is started with on a server that knows none yet. */
async function startedWith(asked: { namespace?: string; set?: string[] }): Promise<unknown> {
  const started: unknown[] = [];
  const client = {
    workflow: {
      getHandle: () => ({
        describe: () => Promise.reject(new WorkflowNotFoundError('none', 'evening', undefined)),
      }),
      start: async (_type: string, { args }: { args: unknown[] }) => void started.push(args[0]),
    },
  } as unknown as Client;
  await beginRun({
    client,
    stack: { hub: { endpoint: server.url, accessToken: TOKEN } },
    run: RunName.parse('evening'),
    asked: { run: 'evening', profile: 'tiny', set: [], acceptDifference: [], ...asked },
    fallback: 'tiny',
  });
  return started[0];
}

it('begins a run in the namespace that was asked for, by option or by field', async () => {
  expect(await startedWith({ namespace: 'atelier' })).toMatchObject({ run: 'evening', namespace: 'atelier' });
  expect(await startedWith({ set: ['namespace=atelier'] })).toMatchObject({ namespace: 'atelier' });
  expect(await startedWith({})).not.toHaveProperty('namespace');
});

it.each([{ namespace: 'atelier' }, { set: ['namespace=atelier'] }])(
  'goes on from the record in the namespace that was asked for, %j',
  async (asked) => {
    const hub = connectHub({ endpoint: server.url, accessToken: TOKEN });
    const repo = recordOf('atelier', RunName.parse('evening'));
    const parsed = parseRunConfig({ run: 'evening', namespace: 'atelier', seed: 7 });
    if (!parsed.ok) throw new Error('expected a good configuration');
    const pinned = { ...repo, commit: 'a'.repeat(40) };
    const record = { format: 1, config: parsed.value, base: pinned, source: pinned };
    await hub.ensureRepo(repo);
    await hub.commit({
      repo,
      message: 'A run',
      files: [{ path: 'records/run.json', content: JSON.stringify(record) }],
    });
    expect(await startedWith(asked)).toMatchObject({ namespace: 'atelier', seed: 7 });
  },
);
