/**
 * How soon a Space that is unwell is noticed and put back: `node scripts/ts.mjs test/chaos/release-unwell.ts`. Real Hub, real
 * Gradio, the tests' small app; the same faults are tests in `test/activities/release/deploy-space.test.ts`.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createDeploy } from '../../src/activities/release/deploy.ts';
import { connectHub } from '../../src/hub/client.ts';
import { startLocalHub } from '../../src/local-hub/server.ts';
import { PRODUCTION, tagAt } from '../../src/releases/catalog.ts';
import { readJournal } from '../../src/releases/journal.ts';
import { servedRelease } from '../../src/space/space-repo.ts';
import { runInTest } from '../activities/run-in-test.ts';

const TOKEN = 'hf_local_plein_air';
const FAULTS = ['ok', 'crash', 'hang', 'dies', 'blank', 'small', 'plain', 'other', 'silent'] as const;

const root = await mkdtemp(join(tmpdir(), 'release-unwell-'));
const server = await startLocalHub({
  root: join(root, 'hub'),
  runSpaces: { python: resolve('gpu-worker/.venv/bin/python') },
});
const hub = connectHub({ endpoint: server.url, accessToken: TOKEN });
const app = await readFile(new URL('../space/small-app/app.py', import.meta.url));
const table: Record<string, unknown>[] = [];
let problems = 0;
try {
  for (const fault of FAULTS) {
    const request = await runInTest({
      ...{ hub, namespace: 'team', run: fault },
      config: { evaluation: { size: 64 }, deployment: { startMinutes: fault === 'hang' ? 0.1 : 2 } },
    });
    const deploy = createDeploy({
      ...{ hub, spaceToken: TOKEN },
      app: async () => [
        { path: 'space/app.py', content: app },
        { path: 'space/mode.txt', content: Buffer.from(fault) },
      ],
    });
    const began = performance.now();
    await deploy(request).catch(() => undefined);
    const seconds = (performance.now() - began) / 1000;
    const { release, space } = request.context.repos;
    const last = (await readJournal(hub, release)).at(-1);
    const [production, served] = [await tagAt(hub, release, PRODUCTION), await servedRelease(hub, space)];
    const back = last?.restoredInSeconds ?? null;
    if (last?.state !== (fault === 'ok' ? 'done' : 'undone') || production !== 'v1' || served?.tag !== 'v1')
      problems += 1;
    table.push({
      fault,
      ...{ end: last?.state, production, served: served?.tag },
      noticedAfterSeconds: Number((seconds - (back ?? 0)).toFixed(1)),
      putBackInSeconds: back === null ? null : Number(back.toFixed(1)),
      problem: last?.problem?.slice(0, 100),
    });
    process.stderr.write(`${JSON.stringify(table.at(-1))}\n`);
  }
} finally {
  await server.close();
  await rm(root, { recursive: true, force: true });
}
console.log(JSON.stringify({ table, problems }, null, 2));
if (problems > 0) process.exitCode = 1;
