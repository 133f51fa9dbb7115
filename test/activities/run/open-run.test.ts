import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createOpenRun } from '../../../src/activities/run/open-run.ts';
import { parseRunConfig, type RunConfig } from '../../../src/domain/config/run-config.ts';
import { RepoId, type RepoRef } from '../../../src/domain/refs.ts';
import { RUN_RECORD, RunRecord } from '../../../src/domain/run/context.ts';
import { connectHub } from '../../../src/hub/client.ts';
import type { Hub } from '../../../src/hub/hub.ts';
import { startLocalHub } from '../../../src/local-hub/server.ts';
import { TOKEN } from '../../local-hub/hub-in-test.ts';
import { fluxLicenseInTest } from '../run-in-test.ts';

/** `transformer/config.json` of FLUX.1-dev, as far as it is read. */
const FLUX = { num_layers: 19, num_single_layers: 38, attention_head_dim: 128, num_attention_heads: 24 };

let root: string;
let hub: Hub;
let close: () => Promise<void>;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'open-run-'));
  const server = await startLocalHub({ root });
  hub = connectHub({ endpoint: server.url, accessToken: TOKEN });
  close = () => server.close();
  for (const [repo, path, content] of [
    [
      { type: 'model', repo: RepoId.parse('plein-air/base') },
      'transformer/config.json',
      JSON.stringify(FLUX),
    ],
    [{ type: 'model', repo: RepoId.parse('plein-air/base') }, 'LICENSE.md', fluxLicenseInTest()],
    [{ type: 'dataset', repo: RepoId.parse('plein-air/pictures') }, 'README.md', '# pictures'],
  ] as [RepoRef, string, string][]) {
    await hub.ensureRepo(repo);
    await hub.commit({ repo, message: 'Seed', files: [{ path, content }] });
  }
});
afterAll(async () => {
  await close();
  await rm(root, { recursive: true, force: true });
});

function config(change: object): RunConfig {
  const parsed = parseRunConfig({
    ...{ profile: 'a100', namespace: 'plein-air', tuning: { strategy: 'fixed' } },
    ...{ base: { repo: 'plein-air/base' }, dataset: { source: 'plein-air/pictures' }, ...change },
  });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return parsed.value;
}
const open = (change: object, runId = 'first') =>
  createOpenRun({ hub })({ config: config(change), workflowId: 'wf', runId });

describe('opening a run', () => {
  it('has one owner: a second workflow is refused, with the first one’s name, while that is under way', async () => {
    let isUnderWay = true;
    const as = (workflowId: string) =>
      createOpenRun({ hub, isUnderWay: async () => isUnderWay })({
        ...{ config: config({ run: 'owned' }), workflowId, runId: `${workflowId}-1` },
      });
    await as('Twin Run');
    await expect(as('owned')).rejects.toMatchObject({
      kind: 'InvalidInput',
      message: expect.stringContaining('workflow "Twin Run" is running'),
    });
    await as('Twin Run');
    isUnderWay = false;
    await as('owned');
    isUnderWay = true;
    await expect(as('Twin Run')).rejects.toMatchObject({ details: { owner: 'owned' } });
  });

  it('refuses a base of another class by its index, before anything is prepared or fetched', async () => {
    const repo = { type: 'model', repo: RepoId.parse('plein-air/flux2') } as const;
    await hub.ensureRepo(repo);
    const content = JSON.stringify({ _class_name: 'Flux2Pipeline' });
    await hub.commit({ repo, message: 'Seed', files: [{ path: 'model_index.json', content }] });
    await expect(open({ run: 'other', base: { repo: 'plein-air/flux2' } })).rejects.toMatchObject({
      kind: 'InvalidInput',
      message: expect.stringMatching(/base\.repo: expected a base of class FluxPipeline, got Flux2Pipeline/),
    });
  });

  it('says in its record’s repository whose license holds and what was modified', async () => {
    const { repos } = await open({ run: 'noticed' });
    const record = { type: 'dataset', repo: repos.record } as const;
    const notice = (await hub.read(record, 'main', 'NOTICE'))?.toString() ?? '';
    expect(notice).toContain('This adapter modifies plein-air/base');
    expect(notice).toContain('FLUX.1 [dev] Non-Commercial License');
    const card = (await hub.read(record, 'main', 'README.md'))?.toString() ?? '';
    for (const line of notice.trim().split('\n').slice(-2)) expect(card).toContain(line);
    expect((await hub.read(record, 'main', 'LICENSE.md'))?.toString()).toBe(fluxLicenseInTest());
  });

  it('refuses a base whose license nobody has read, before the first hour on a GPU', async () => {
    const repo = { type: 'model', repo: RepoId.parse('plein-air/unlicensed') } as const;
    await hub.ensureRepo(repo);
    const files = [{ path: 'transformer/config.json', content: JSON.stringify(FLUX) }];
    await hub.commit({ repo, message: 'Seed', files });
    const base = { repo: repo.repo };
    await expect(open({ run: 'unread', base })).rejects.toMatchObject({
      kind: 'InvalidInput',
      message: expect.stringContaining('deployment.licenseSignOff'),
    });
    const deployment = { licenseSignOff: 'Ada Lovelace' };
    expect((await open({ run: 'read', base, deployment })).base.repo).toBe(base.repo);
  });

  it('refuses one whose checkpoints cannot fit into its storage budget, before anything has been worked on', async () => {
    const training = { rank: 64, targets: 'all-linear' };
    await expect(open({ run: 'large', training, budget: { storageGb: 15 } })).rejects.toMatchObject({
      kind: 'InvalidInput',
      message: expect.stringMatching(
        /15 GB \(budget.storageGb\), got 23.\d GB at 4.12 GB a checkpoint.* 2.\d GB of latents/,
      ),
    });
    await expect(open({ run: 'large', training, budget: { storageGb: 30 } })).resolves.toMatchObject({
      run: 'large',
    });
  });

  it('pins the captioner to a commit, and keeps it when its branch moves on or its repository goes', async () => {
    const repo: RepoRef = { type: 'model', repo: RepoId.parse('plein-air/captioner') };
    await hub.ensureRepo(repo);
    const put = (content: string) =>
      hub.commit({
        repo,
        message: 'Weights',
        files: ['model.safetensors', 'config.json'].map((path) => ({ path, content })),
      });
    const commit = await put('1');
    const dataset = { source: 'plein-air/pictures', captioner: { repo: 'plein-air/captioner' } };
    const { captioner } = await open({ run: 'captioned', dataset });
    expect(captioner).toEqual({ ...repo, commit });
    await put('2');
    expect((await open({ run: 'captioned', dataset }, 'second')).captioner).toEqual({ ...repo, commit });
    await hub.deleteRepo(repo);
    const budget = { gpuHours: 48 };
    expect((await open({ run: 'captioned', dataset, budget }, 'third')).captioner).toEqual({
      ...repo,
      commit,
    });
    expect(await open({ run: 'plain' })).not.toHaveProperty('captioner');
  });

  it('again with another budget or other checkpoints notes what changed and who changed it', async () => {
    await open({ run: 'again' });
    await open({ run: 'again' }, 'second');
    const checkpoints = { acceptDifferences: ['software.torch'] };
    const context = await open({ run: 'again', budget: { gpuHours: 48 }, checkpoints }, 'third');
    expect(context.config).toMatchObject({ budget: { gpuHours: 48 }, checkpoints });
    const record: RepoRef = { type: 'dataset', repo: context.repos.record };
    const bytes = await hub.read(record, 'main', RUN_RECORD);
    const stored = RunRecord.parse(JSON.parse(bytes?.toString() ?? ''));
    expect(stored.config).toEqual(context.config);
    expect(stored.amendments).toEqual([
      {
        workflowRunId: 'third',
        changed: { budget: context.config.budget, checkpoints: context.config.checkpoints },
      },
    ]);
  });

  it('again with anything else that differs is refused with the name of what differs', async () => {
    await open({ run: 'other' });
    await expect(open({ run: 'other', seed: 1 })).rejects.toMatchObject({
      kind: 'InvalidInput',
      message: expect.stringContaining('it differs in seed'),
    });
  });
});
