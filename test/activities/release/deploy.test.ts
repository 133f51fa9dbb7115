import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { createDeploy } from '../../../src/activities/release/deploy.ts';
import { createRollBack } from '../../../src/activities/release/roll-back.ts';
import type { RepoId } from '../../../src/domain/refs.ts';
import { connectHub } from '../../../src/hub/client.ts';
import type { Hub } from '../../../src/hub/hub.ts';
import { startLocalHub } from '../../../src/local-hub/server.ts';
import {
  findRelease,
  listReleases,
  PREVIOUS,
  PRODUCTION,
  releaseRepo,
  tagAt,
} from '../../../src/releases/catalog.ts';
import { readJournal } from '../../../src/releases/journal.ts';
import { servedRelease } from '../../../src/space/space-repo.ts';
import { dyingHub, fluxLicenseInTest, runInTest, sha, store, WorkerDied } from '../run-in-test.ts';

let root: string;
let server: Awaited<ReturnType<typeof startLocalHub>>;
let hub: Hub;
let number = 0;
let namespace = '';

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'deploy-'));
  server = await startLocalHub({ root: join(root, 'hub') });
  hub = connectHub({ endpoint: server.url, accessToken: 'hf_local_plein_air' });
});
afterAll(async () => {
  await server.close();
  await rm(root, { recursive: true, force: true });
});
beforeEach(() => {
  number += 1;
  namespace = `team-${number}`;
});

const run = (name: string, more: Partial<Parameters<typeof runInTest>[0]> = {}) =>
  runInTest({ hub, namespace, run: name, ...more });
const deploy = (request: Parameters<ReturnType<typeof createDeploy>>[0], on: Hub = hub) =>
  createDeploy({ hub: on })(request);

/** What a user gets: tag and adapter sha256 by `production`, by the Space, and by hashing the bytes. */
async function inProduction(release: RepoId, space: RepoId) {
  const tag = await tagAt(hub, release, PRODUCTION);
  const bytes = await hub.read(releaseRepo(release), PRODUCTION, 'pytorch_lora_weights.safetensors');
  const served = await servedRelease(hub, space);
  const fromSpace =
    served && (await hub.read(releaseRepo(served.repo), served.revision, 'pytorch_lora_weights.safetensors'));
  return {
    tag,
    sha256: bytes && sha(bytes),
    spaceTag: served?.tag,
    spaceSha256: fromSpace && sha(fromSpace),
  };
}

describe('deploy', () => {
  it('releases what the gate passed as v1, in production and in the Space, to the byte', async () => {
    const request = await run('first');
    const release = await deploy(request);
    const { repos } = request.context;
    const sha256 = request.evaluation.adapter.sha256;
    expect(release).toMatchObject({ release: { tag: 'v1', sha256 }, previousTag: null, cached: false });
    expect(await inProduction(repos.release, repos.space)).toEqual({
      tag: 'v1',
      sha256,
      spaceTag: 'v1',
      spaceSha256: sha256,
    });
  });

  it('keeps the lineage of a release in its provenance', async () => {
    const request = await run('lineage');
    await deploy(request);
    const [entry] = await listReleases(hub, request.context.repos.release);
    expect(entry?.provenance).toMatchObject({
      tag: 'v1',
      dataset: request.dataset.dataset,
      evaluation: { report: request.evaluation.report, verdict: request.gate.record },
      context: { run: 'lineage', base: request.context.base },
      training: { path: 'checkpoints/step-00000030' },
    });
    expect(entry?.provenance.exports.map((e) => e.path)).toEqual(['painter_kohya.safetensors']);
    expect(entry?.provenance).not.toHaveProperty('acceptedDifferences');
  });

  it('names in the provenance what differed at a resume and was accepted', async () => {
    const request = await run('accepted');
    const { training } = request;
    const file = { path: 'pytorch_lora_weights.safetensors', bytes: 1, sha256: sha('any') };
    const manifest = {
      ...{ format: 1, step: 30, microStep: 30, fingerprint: { 'software.torch': '2.14.0' } },
      ...{ heldOutLoss: null, acceptedDifferences: ['software.torch'], files: [file] },
    };
    const { type, repo } = training.checkpoint;
    const path = `${training.path}/manifest.json`;
    const { commit } = await store(hub, { type, repo }, path, JSON.stringify(manifest));
    training.checkpoint.commit = commit;
    await deploy(request);
    const [entry] = await listReleases(hub, request.context.repos.release);
    expect(entry?.provenance).toMatchObject({
      acceptedDifferences: ['software.torch'],
      fingerprint: { 'software.torch': '2.14.0' },
    });
  });

  it('answers the same and changes nothing when called again', async () => {
    const request = await run('twice');
    const first = await deploy(request);
    const before = await Promise.all([
      hub.resolve(releaseRepo(request.context.repos.release)),
      hub.resolve({ type: 'space', repo: request.context.repos.space }),
    ]);
    expect(await deploy(request)).toEqual({ ...first, cached: true });
    const after = await Promise.all([
      hub.resolve(releaseRepo(request.context.repos.release)),
      hub.resolve({ type: 'space', repo: request.context.repos.space }),
    ]);
    expect(after).toEqual(before);
  });

  it('keeps the tag in production for the same adapter bytes from another run', async () => {
    const adapter = randomBytes(2000);
    await deploy(await run('one', { adapter }));
    const again = await deploy(await run('two', { adapter }));
    expect(again.release.tag).toBe('v1');
  });

  it('names the release before it', async () => {
    await deploy(await run('one'));
    const second = await run('two');
    expect(await deploy(second)).toMatchObject({ release: { tag: 'v2' }, previousTag: 'v1' });
    expect(await tagAt(hub, second.context.repos.release, PREVIOUS)).toBe('v1');
  });

  it('keeps `previous` when what is in production is deployed again', async () => {
    const adapter = randomBytes(2000);
    const one = await run('one');
    await deploy(one);
    await deploy(await run('two', { adapter }));
    const again = await deploy(await run('three', { adapter }));
    const { release } = one.context.repos;
    expect(again).toMatchObject({ release: { tag: 'v2' }, previousTag: 'v1' });
    expect(await tagAt(hub, release, PREVIOUS)).toBe('v1');
    expect(await tagAt(hub, release, PRODUCTION)).toBe('v2');
  });

  it('publishes no Space when told not to', async () => {
    const request = await run('bare', { config: { deployment: { space: false } } });
    expect((await deploy(request)).space).toBeNull();
    expect(await hub.resolve({ type: 'space', repo: request.context.repos.space })).toBeNull();
  });
});

describe('deploy refuses', () => {
  const refused = { kind: 'GateRefused' };

  it.each(['FAIL', 'INCONCLUSIVE'] as const)('a verdict %s', async (verdict) => {
    const request = await run('bad', { verdict });
    await expect(deploy(request)).rejects.toMatchObject(refused);
    expect(await hub.resolve(releaseRepo(request.context.repos.release))).toBeNull();
  });

  it('a FAIL that a person approved, unless the configuration lets people overrule the gate', async () => {
    const approval = { decision: 'approved', by: 'Ada', reason: 'the client wants it', at: 1 } as const;
    const strict = await run('strict', { verdict: 'FAIL' });
    await expect(deploy({ ...strict, approval })).rejects.toMatchObject(refused);
    const lenient = await run('lenient', { verdict: 'FAIL', config: { gate: { allowOverride: true } } });
    await expect(deploy(lenient)).rejects.toMatchObject(refused);
    const { release } = await deploy({ ...lenient, approval });
    const ref = releaseRepo(release.repo);
    const card = (await hub.read(ref, release.commit, 'README.md'))?.toString() ?? '';
    expect(card).toContain('**Released against the gate.** The gate said FAIL. Ada released');
    expect((await findRelease(hub, release.repo, release.tag))?.provenance.overruled).toBe('FAIL');
  });

  it('a FAIL verdict that its caller calls PASS', async () => {
    const request = await run('liar', { verdict: 'FAIL' });
    await expect(deploy({ ...request, gate: { ...request.gate, verdict: 'PASS' } })).rejects.toMatchObject(
      refused,
    );
  });

  it('a verdict that was edited after it was given', async () => {
    const request = await run('edited', { verdict: 'FAIL' });
    const record = { type: 'dataset', repo: request.context.repos.record } as const;
    const edited = await store(
      hub,
      record,
      'evaluation/verdict.json',
      JSON.stringify({ verdict: 'PASS', adapterSha256: request.evaluation.adapter.sha256 }),
    );
    const gate = {
      ...request.gate,
      verdict: 'PASS' as const,
      record: { ...request.gate.record, commit: edited.commit },
    };
    await expect(deploy({ ...request, gate })).rejects.toMatchObject({ kind: 'Corrupt' });
    expect(await hub.resolve(releaseRepo(request.context.repos.release))).toBeNull();
  });

  it('a forged verdict that does not follow from its report, whatever its hash', async () => {
    const request = await run('forged', { verdict: 'FAIL' });
    const record = { type: 'dataset', repo: request.context.repos.record } as const;
    const { path } = request.gate.record;
    const given = JSON.parse(String(await hub.read(record, request.gate.record.commit, path)));
    const forge = async (rule: object) => {
      const rules = [{ ...given.rules[0], ...rule }];
      const text = JSON.stringify({ ...given, verdict: 'PASS', rules });
      return { ...request.gate, verdict: 'PASS' as const, record: await store(hub, record, path, text) };
    };
    const failing = await forge({});
    await expect(deploy({ ...request, gate: failing })).rejects.toThrow('kid.improvement is "fail" in it');
    const better = await forge({ outcome: 'pass', threshold: 0.02, low: 0.9, estimate: 0.9, high: 0.9 });
    await expect(deploy({ ...request, gate: better })).rejects.toThrow('"inconclusive" on the report');
    expect(await hub.resolve(releaseRepo(request.context.repos.release))).toBeNull();
  });

  /** The stored verdict with a change, at a commit of its own. */
  const edited = async (request: Awaited<ReturnType<typeof run>>, change: object) => {
    const repo = { type: 'dataset', repo: request.context.repos.record } as const;
    const { commit, path } = request.gate.record;
    const given = JSON.parse(String(await hub.read(repo, commit, path)));
    return { ...request.gate, record: await store(hub, repo, path, JSON.stringify({ ...given, ...change })) };
  };

  it.each(['PASS', 'FAIL'] as const)('a %s on another report of the same adapter', async (verdict) => {
    const request = await run('other-report', { verdict, config: { gate: { allowOverride: true } } });
    const approval = { decision: 'approved', by: 'Ada', reason: 'we want it', at: 1 } as const;
    const gate = await edited(request, { reportSha256: sha('another report') });
    await expect(deploy({ ...request, gate, approval })).rejects.toMatchObject({
      ...refused,
      message: expect.stringContaining('Expected a verdict on report'),
    });
    expect(await hub.resolve(releaseRepo(request.context.repos.release))).toBeNull();
    await deploy({ ...request, approval });
  });

  it.each(['PASS', 'FAIL'] as const)('a %s with a problem, whoever approved it', async (verdict) => {
    const request = await run('problem', { verdict, config: { gate: { allowOverride: true } } });
    const approval = { decision: 'approved', by: 'Ada', reason: 'we want it', at: 1 } as const;
    const gate = await edited(request, { problems: ['Expected a report about this adapter, got another.'] });
    await expect(deploy({ ...request, gate, approval })).rejects.toMatchObject({
      ...refused,
      message: expect.stringContaining('got another.'),
    });
    expect(await hub.resolve(releaseRepo(request.context.repos.release))).toBeNull();
  });

  it('bytes that are not those that were judged', async () => {
    const request = await run('swapped');
    const record = { type: 'dataset', repo: request.context.repos.record } as const;
    const other = await store(hub, record, request.evaluation.adapter.path, randomBytes(99));
    for (const adapter of [other, { ...request.evaluation.adapter, commit: other.commit }])
      await expect(
        deploy({ ...request, evaluation: { ...request.evaluation, adapter } }),
      ).rejects.toMatchObject(refused);
  });

  it('a public Space on FLUX.1 [dev] that nobody signed off, and keeps the name of who did', async () => {
    const open = { private: false, licenseSignOff: 'Ada Lovelace' };
    const signed = await run('public', { config: { profile: 'a100', namespace, deployment: open } });
    const { config } = signed.context;
    const deployment = { ...config.deployment, licenseSignOff: null };
    const unsigned = { ...signed, context: { ...signed.context, config: { ...config, deployment } } };
    await expect(deploy(unsigned)).rejects.toMatchObject({
      ...refused,
      message: expect.stringContaining('deployment.licenseSignOff'),
    });
    expect(await hub.resolve(releaseRepo(signed.context.repos.release))).toBeNull();
    const { release } = await deploy(signed);
    const entry = await findRelease(hub, release.repo, release.tag);
    expect(entry?.provenance.context.config.deployment.licenseSignOff).toBe('Ada Lovelace');
  });

  it('a base without a license that a person has read, and one whose filter was switched off', async () => {
    const bare = await run('bare-base', { base: { 'README.md': '# a model' } });
    await expect(deploy(bare)).rejects.toThrow('deployment.licenseSignOff');
    const read = { deployment: { licenseSignOff: 'Ada Lovelace' } };
    const signed = await run('read-base', { base: { 'README.md': '# a model' }, config: read });
    expect((await deploy(signed)).release.tag).toBe('v1');
    const open = { deployment: { contentFilter: 'off' }, profile: 'a100' };
    const unfiltered = await run('unfiltered', { config: { namespace, ...open } });
    await expect(deploy(unfiltered)).rejects.toThrow('deployment.contentFilter');
  });

  it('keeps the license’s text, its notice and its version with the release', async () => {
    const request = await run('licensed', { config: { profile: 'a100', namespace } });
    const { release } = await deploy(request);
    const text = async (path: string) =>
      String(await hub.read(releaseRepo(release.repo), release.commit, path));
    expect(await text('LICENSE.md')).toBe(fluxLicenseInTest());
    for (const path of ['NOTICE', 'README.md', 'space/README.md']) {
      expect(await text(path)).toContain('IN NO EVENT SHALL BLACK FOREST LABS INC. BE LIABLE');
      expect(await text(path)).toContain('This adapter modifies black-forest-labs/FLUX.1-dev');
    }
    const entry = await findRelease(hub, release.repo, release.tag);
    expect(entry?.provenance.license).toMatchObject({ version: '1.1.1', file: { path: 'LICENSE.md' } });
  });

  it('a release that nobody approved where approval is asked for', async () => {
    const request = await run('unapproved', { config: { gate: { requireApproval: true } } });
    await expect(deploy(request)).rejects.toMatchObject(refused);
    const approval = { decision: 'rejected', by: 'Ada', reason: 'muddy', at: 1 } as const;
    await expect(deploy({ ...request, approval })).rejects.toMatchObject(refused);
    expect((await deploy({ ...request, approval: { ...approval, decision: 'approved' } })).release.tag).toBe(
      'v1',
    );
  });
});

describe('a worker that dies in the middle of deployment', () => {
  it.each(['before', 'after'] as const)(
    'leaves one whole release %s any write, and the next attempt ends in the new one',
    async (when) => {
      const old = await run('old');
      await deploy(old);
      const { repos } = old.context;
      const oldSha = old.evaluation.adapter.sha256;
      for (let write = 1, died = true; died; write++) {
        const request = await run(`new-${write}`);
        const previous = await inProduction(repos.release, repos.space);
        died = await deploy(request, dyingHub(hub, write, when)).then(
          () => false,
          (error) => {
            if (error instanceof WorkerDied) return true;
            throw error;
          },
        );
        const between = await inProduction(repos.release, repos.space);
        const sha256 = request.evaluation.adapter.sha256;
        for (const seen of [between.sha256, between.spaceSha256])
          expect([oldSha, previous.sha256, sha256]).toContain(seen);
        const release = await deploy(request);
        expect(release.previousTag).toBe(previous.tag);
        const end = await inProduction(repos.release, repos.space);
        expect(end).toEqual({
          tag: release.release.tag,
          sha256,
          spaceTag: release.release.tag,
          spaceSha256: sha256,
        });
        expect(write).toBeLessThan(20);
      }
    },
  );

  it('does not take production back from a newer operation', async () => {
    const first = await run('slow');
    await expect(deploy(first, dyingHub(hub, 9, 'after'))).rejects.toBeInstanceOf(WorkerDied);
    const second = await run('fast');
    const live = await deploy(second);
    await expect(deploy(first)).rejects.toMatchObject({ kind: 'Fenced' });
    expect((await inProduction(second.context.repos.release, second.context.repos.space)).tag).toBe(
      live.release.tag,
    );
  });
});

describe('rollBack', () => {
  async function twoReleases() {
    const one = await run('one');
    await deploy(one);
    const two = await run('two');
    await deploy(two);
    return { one, two, repos: two.context.repos };
  }
  const back = (repos: { release: RepoId; space: RepoId }, toTag: string | null, on: Hub = hub, id = 'op') =>
    createRollBack({ hub: on, operationId: () => id })({ ...repos, toTag, reason: 'too blue' });

  it('puts the previous release and its Space back, file by file', async () => {
    const one = await run('one');
    await deploy(one);
    const { repos } = one.context;
    const space = { type: 'space', repo: repos.space } as const;
    const before = await hub.list(space, 'main');
    await deploy(await run('two', { config: { dataset: { trigger: 'another hand' } } }));
    const release = await back(repos, null);
    expect(release).toMatchObject({ release: { tag: 'v1' }, previousTag: 'v2' });
    expect(await inProduction(repos.release, repos.space)).toMatchObject({ tag: 'v1', spaceTag: 'v1' });
    expect(await hub.list(space, 'main')).toEqual(before);
  });

  it('says who went where and why in the journal', async () => {
    const { repos } = await twoReleases();
    await back(repos, 'v1');
    const last = (await readJournal(hub, repos.release)).at(-1);
    expect(last).toMatchObject({
      action: 'rollback',
      state: 'done',
      tag: 'v1',
      from: 'v2',
      reason: 'too blue',
    });
  });

  it('undoes itself when done twice, and repeats its answer within one operation', async () => {
    const { repos } = await twoReleases();
    expect((await back(repos, null, hub, 'a')).release.tag).toBe('v1');
    expect((await back(repos, null, hub, 'a')).release.tag).toBe('v1');
    expect((await back(repos, null, hub, 'b')).release.tag).toBe('v2');
  });

  it.each(['before', 'after'] as const)(
    'ends in the chosen release when killed %s any write',
    async (when) => {
      const { repos } = await twoReleases();
      for (let write = 1, died = true; died; write++) {
        const id = `${when}-${write}`;
        const was = await inProduction(repos.release, repos.space);
        died = await back(repos, null, dyingHub(hub, write, when), id).then(
          () => false,
          (error) => {
            if (error instanceof WorkerDied) return true;
            throw error;
          },
        );
        const { release } = await back(repos, null, hub, id);
        expect(release.tag).toBe(was.tag === 'v2' ? 'v1' : 'v2');
        expect(await inProduction(repos.release, repos.space)).toMatchObject({
          tag: release.tag,
          spaceTag: release.tag,
          sha256: release.sha256,
          spaceSha256: release.sha256,
        });
        expect(write).toBeLessThan(20);
      }
    },
  );

  it('refuses a tag that does not exist and a model without an earlier release', async () => {
    const { repos } = await twoReleases();
    await expect(back(repos, 'v9')).rejects.toMatchObject({ kind: 'InvalidInput' });
    const only = await run('only', { model: 'single' });
    await deploy(only);
    await expect(back(only.context.repos, null)).rejects.toMatchObject({ kind: 'BadData' });
  });

  it('refuses a release whose adapter is not the one that was released', async () => {
    const { repos } = await twoReleases();
    const ref = releaseRepo(repos.release);
    const [, one] = await listReleases(hub, repos.release);
    await hub.setBranch(ref, 'tampered', one?.commit ?? ('' as never));
    const commit = await hub.commit({
      repo: ref,
      branch: 'tampered',
      message: 'Swap the bytes',
      files: [{ path: 'pytorch_lora_weights.safetensors', content: randomBytes(50) }],
    });
    await hub.deleteTag(ref, 'v1');
    await hub.createTag(ref, 'v1', commit);
    await expect(back(repos, 'v1')).rejects.toMatchObject({ kind: 'Corrupt' });
    expect((await inProduction(repos.release, repos.space)).tag).toBe('v2');
  });
});

describe('the published repositories', () => {
  it('carry the metadata that the Hub reads', async () => {
    const request = await run('card');
    await deploy(request);
    const readme = await hub.read(releaseRepo(request.context.repos.release), 'v1', 'README.md');
    const header = parse(/^---\n([\s\S]*?)\n---/.exec(readme?.toString() ?? '')?.[1] ?? '');
    expect(header).toMatchObject({
      base_model: 'plein-air/tiny-flux',
      base_model_relation: 'adapter',
      license: 'apache-2.0',
      instance_prompt: 'plnr impressionism',
      tags: expect.arrayContaining(['text-to-image', 'diffusers', 'lora', 'flux', 'template:sd-lora']),
    });
  });

  it('pin the Space to the commit of the tag', async () => {
    const request = await run('pinned');
    const { release } = await deploy(request);
    const config = await hub.read(
      { type: 'space', repo: request.context.repos.space },
      'main',
      'config.json',
    );
    expect(JSON.parse(config?.toString() ?? '')).toMatchObject({
      MODEL_REVISION: release.commit,
      BASE_REVISION: request.context.base.commit,
    });
  });

  it("carry the notice and the statement of modification that FLUX.1 [dev]'s license asks for", async () => {
    const request = await run('flux', { config: { profile: 'a100', namespace } });
    await deploy(request);
    const { release, space } = request.context.repos;
    for (const file of [
      await hub.read(releaseRepo(release), 'v1', 'README.md'),
      await hub.read(releaseRepo(release), 'v1', 'NOTICE'),
      await hub.read({ type: 'space', repo: space }, 'main', 'README.md'),
      await hub.read({ type: 'space', repo: space }, 'main', 'config.json'),
    ]) {
      expect(file?.toString()).toContain(
        'licensed by Black Forest Labs Inc. under the FLUX.1 [dev] Non-Commercial License',
      );
      expect(file?.toString()).toContain('modifies black-forest-labs/FLUX.1-dev');
    }
  });
});
