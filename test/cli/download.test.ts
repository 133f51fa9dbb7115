import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { fetchWeights, findWeights } from '../../src/cli/commands/download.ts';
import { RepoId } from '../../src/domain/refs.ts';
import { connectHub } from '../../src/hub/client.ts';
import type { Hub } from '../../src/hub/hub.ts';
import { type HubInTest, startHubInTest, TOKEN } from '../local-hub/hub-in-test.ts';

let server: HubInTest;
let hub: Hub;
let folder: string;
const WEIGHTS = 'pytorch_lora_weights.safetensors';

beforeAll(async () => {
  server = await startHubInTest();
  hub = connectHub({ endpoint: server.url, accessToken: TOKEN });
  folder = await mkdtemp(join(tmpdir(), 'plein-air-download-'));
  const record = { type: 'dataset', repo: RepoId.parse('plein-air/evening-record') } as const;
  await hub.ensureRepo(record);
  await hub.commit({
    repo: record,
    message: 'judged',
    files: [
      { path: `evaluation/adapter/${WEIGHTS}`, content: 'judged' },
      { path: 'evaluation/adapter/kohya_lora_weights.safetensors', content: 'judged, for others' },
      { path: 'evaluation/report.json', content: '{}' },
    ],
  });
  const model = { type: 'model', repo: RepoId.parse('plein-air/garden') } as const;
  await hub.ensureRepo(model);
  const commit = await hub.commit({
    repo: model,
    message: 'v1',
    files: [{ path: WEIGHTS, content: 'released' }],
  });
  await hub.setBranch(model, 'production', commit);
});
afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

const find = (name: string) => findWeights(hub, { name, namespace: 'plein-air', tag: 'production' });

it('finds the weights of a run that was not released, and fetches all forms of them', async () => {
  const found = await find('evening');
  expect(found).toMatchObject({ isReleased: false });
  const files = await fetchWeights(hub, found, join(folder, 'run'));
  expect(files.map(({ path }) => path.split('/').at(-1)).sort()).toEqual([
    'kohya_lora_weights.safetensors',
    WEIGHTS,
  ]);
  expect(await readFile(join(folder, 'run/evaluation/adapter', WEIGHTS), 'utf8')).toBe('judged');
});

it('finds a model’s release in production', async () => {
  const found = await find('garden');
  expect(found).toMatchObject({ isReleased: true });
  const [file] = await fetchWeights(hub, found, join(folder, 'model'));
  expect(await readFile(String(file?.path), 'utf8')).toBe('released');
});

it.each(['nosuch', 'Not A Name/at all'])('says what it expected where there is nothing: %s', async (name) => {
  await expect(find(name)).rejects.toThrow(/expected a released model or a run whose adapter was evaluated/);
});
