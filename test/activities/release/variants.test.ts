import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { EVALUATION_FILES } from '../../../src/activities/evaluate/cache-key.ts';
import { judgedSamples, paintJudged } from '../../../src/activities/evaluate/judged-samples.ts';
import { createPublishRelease } from '../../../src/activities/release/deploy.ts';
import { createTryRelease } from '../../../src/activities/release/try-candidate.ts';
import { createMakeVariants } from '../../../src/activities/release/variants.ts';
import { GpuCalls } from '../../../src/activities/support/gpu-calls.ts';
import { PYTHON_PACKAGE, TINY_BASE } from '../../../src/config/paths.ts';
import { type ReleasedVariant, variantRepo } from '../../../src/domain/config/variants.ts';
import { CommitSha, RepoId } from '../../../src/domain/refs.ts';
import { connectHub } from '../../../src/hub/client.ts';
import type { Hub } from '../../../src/hub/hub.ts';
import { startLocalHub } from '../../../src/local-hub/server.ts';
import { findRelease, releaseRepo } from '../../../src/releases/catalog.ts';
import { referencesOf } from '../../../src/releases/references.ts';
import { readVariant, wholeVariant } from '../../../src/releases/variants.ts';
import { createTrainer } from '../../../src/trainer/process.ts';
import type { Trainer } from '../../../src/trainer/trainer.ts';
import { seedTinyBase } from '../../../src/wikiart/synthetic/seed-base.ts';
import { type DeployRequest, dyingHub, runInTest, WorkerDied } from '../run-in-test.ts';
import { tinyAdapter } from '../tiny-adapter.ts';

const TOKEN = 'hf_local_plein_air';
const PYTHON = resolve('gpu-worker/.venv/bin/python');
const described = existsSync(PYTHON) ? describe : describe.skip;

described('whole transformers beside an adapter, by the real trainer on the tiny base', () => {
  let root: string;
  let server: Awaited<ReturnType<typeof startLocalHub>>;
  let hub: Hub;
  let trainer: Trainer;
  let request: DeployRequest;
  let made: ReleasedVariant[];
  const asked: string[] = [];

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'variants-'));
    server = await startLocalHub({ root: join(root, 'hub') });
    hub = connectHub({ endpoint: server.url, accessToken: TOKEN });
    await seedTinyBase({
      ...{ hubUrl: server.url, accessToken: TOKEN, repo: 'plein-air/tiny-flux', folder: TINY_BASE },
    });
    const real = createTrainer({ python: PYTHON, packageFolder: PYTHON_PACKAGE, log: () => undefined });
    trainer = {
      ...{ pid: null, kill: () => real.kill(), checkpoint: () => undefined, close: () => real.close() },
      call: (verb, params, options) => {
        asked.push(verb);
        return real.call(verb, params, options);
      },
    };
    request = await judgedRun(await tinyAdapter(PYTHON, root));
    made = await makeVariants()(request);
  }, 240_000);
  afterAll(async () => {
    await trainer.close();
    await server.close();
    await rm(root, { recursive: true, force: true });
  });

  /** A finished run whose judged pictures its adapter really painted. */
  async function judgedRun(adapter: Buffer): Promise<DeployRequest> {
    const commit = CommitSha.parse(
      await hub.resolve({ type: 'model', repo: RepoId.parse('plein-air/tiny-flux') }),
    );
    const evaluation = { size: 64, inferenceSteps: 4 };
    const deployment = { variants: ['fused', 'int8', 'nf4'] };
    const run = await runInTest({
      ...{ hub, namespace: 'team', run: 'whole', adapter, config: { evaluation, deployment } },
    });
    const context = { ...run.context, base: { ...run.context.base, commit } };
    const samples = judgedSamples(context);
    const out = join(root, 'judged');
    const file = join(root, 'pytorch_lora_weights.safetensors');
    await paintJudged({
      ...{ calls: new GpuCalls({ hub, trainer, workDir: root, heartbeat: () => undefined }, 0) },
      ...{ context, samples, stage: 'judged' },
      with: { base: TINY_BASE, adapter: file, out },
    });
    const record = { type: 'dataset', repo: context.repos.record } as const;
    const head = await hub.commit({
      ...{ repo: record, message: 'Judged pictures' },
      files: await Promise.all(
        samples.map(async ({ id }) => ({
          path: `${EVALUATION_FILES.candidate}/${id}.png`,
          content: await readFile(join(out, `${id}.png`)),
        })),
      ),
    });
    return {
      ...run,
      context,
      evaluation: { ...run.evaluation, report: { ...run.evaluation.report, commit: head } },
    };
  }

  const makeVariants =
    (on: Hub = hub) =>
    (r: DeployRequest) =>
      createMakeVariants({ hub: on, trainer, workDir: join(root, 'work'), heartbeat: () => undefined })(r);
  const publish = (r: DeployRequest) => createPublishRelease({ hub })(r);
  const read = async (variant: ReleasedVariant | undefined, path: string) =>
    variant === undefined
      ? ''
      : ((await hub.read({ type: 'model', repo: variant.repo }, variant.commit, path))?.toString() ?? '');

  it('lie in repositories of their own, each with its record, card, notice and safetensors alone', async () => {
    expect(made.map((v) => [v.kind, v.repo])).toEqual([
      ['fused', 'team/painter-fused'],
      ['int8', 'team/painter-int8'],
      ['nf4', 'team/painter-nf4'],
    ]);
    for (const variant of made) {
      const files = await hub.list({ type: 'model', repo: variant.repo }, variant.commit);
      expect(
        files
          .map((f) => f.path)
          .filter((path) => path !== '.gitattributes')
          .sort(),
      ).toEqual([
        'LICENSE.md',
        'NOTICE',
        'README.md',
        'transformer/config.json',
        'transformer/diffusion_pytorch_model.safetensors',
        'variant.json',
      ]);
      expect(await read(variant, 'NOTICE')).toContain('It is not the original model');
      const weights = variant.files.find((f) => f.path.endsWith('.safetensors'));
      expect(weights?.sha256).toBe(files.find((f) => f.path === weights?.path)?.sha256);
    }
    const bytes = made.map((v) => v.files.reduce((sum, f) => sum + f.bytes, 0));
    expect(bytes[1]).toBeLessThan(0.65 * (bytes[0] ?? 0));
    expect(bytes[2]).toBeLessThan(0.45 * (bytes[0] ?? 0));
  });

  it('paint what the gate judged: exactly but for rounding, or nearly', async () => {
    const trials = await Promise.all(made.map(async (v) => JSON.parse(await read(v, 'variant.json')).trial));
    expect(trials.map((t) => t.pictures)).toEqual([4, 4, 4]);
    const [fused, ...quantized] = trials.map((t) => t.distance as number);
    expect(fused).toBeLessThan(0.01);
    for (const distance of quantized) expect(distance).toBeGreaterThan(0);
  });

  it('are not made again when they lie there whole', async () => {
    asked.length = 0;
    expect(await makeVariants()(request)).toEqual(made);
    expect(asked).toEqual([]);
  });

  it('are named by the release, carry its tag, and are held on to', async () => {
    const { repo, tag } = await publish({ ...request, variants: made });
    const entry = await findRelease(hub, repo, tag);
    expect(entry?.provenance.variants).toEqual(made);
    for (const variant of made)
      expect(await hub.tags({ type: 'model', repo: variant.repo })).toEqual([
        { name: tag, commit: variant.commit },
      ]);
    const held = entry === null ? [] : referencesOf(entry.provenance).filter((r) => r.role === 'variant');
    expect(held.map((r) => r.commit)).toEqual(made.map((v) => v.commit));
  });

  it('must all be there, whole and of the approved adapter, before anything is released', async () => {
    const refused = { kind: 'GateRefused', message: expect.stringContaining('deployment.variants') };
    const model = { deployment: request.context.config.deployment };
    const other = await runInTest({ hub, namespace: 'team', run: 'else', model: 'other', config: model });
    await expect(publish(other)).rejects.toMatchObject(refused);
    await expect(publish({ ...other, variants: made })).rejects.toMatchObject(refused);
    const [first, ...rest] = made;
    const gone = { ...first, commit: CommitSha.parse('0'.repeat(40)) } as ReleasedVariant;
    await expect(publish({ ...request, variants: [gone, ...rest] })).rejects.toMatchObject(refused);
    expect(await hub.resolve(releaseRepo(other.context.repos.release))).toBeNull();
  });

  it.each(['before', 'after'] as const)(
    'are whole or not there when the worker dies %s any write, and the next attempt ends in the same files',
    async (when) => {
      const { config, repos } = request.context;
      const deployment = { ...config.deployment, variants: ['fused' as const] };
      const release = RepoId.parse(`team/dying-${when}`);
      const context = { ...request.context, config: { ...config, deployment }, repos: { ...repos, release } };
      const dying = { ...request, context };
      let died = 0;
      for (let write = 1; ; write++) {
        const done = await makeVariants(dyingHub(hub, write, when))(dying).catch((error: unknown) => error);
        if (!(done instanceof WorkerDied)) break;
        died += 1;
        const head = await hub.resolve({ type: 'model', repo: variantRepo(release, 'fused') });
        const record = head === null ? null : await readVariant(hub, variantRepo(release, 'fused'), head);
        if (record !== null && head !== null)
          expect(await wholeVariant(hub, variantRepo(release, 'fused'), head)).not.toBeNull();
      }
      expect(died).toBeGreaterThan(0);
      const [end] = await makeVariants()(dying);
      expect(end?.files).toEqual(made[0]?.files);
    },
    60_000,
  );

  it('are refused before anything is uploaded where they would not fit', async () => {
    const small: Hub = {
      ...hub,
      // A base whose other parts alone fill the Space's memory.
      list: async (repo, revision, folder) =>
        (await hub.list(repo, revision, folder)).map((f) =>
          f.path.startsWith('text_encoder_2/') && repo.repo.endsWith('tiny-flux') && folder === undefined
            ? { ...f, bytes: f.path.endsWith('.safetensors') ? 40e9 : f.bytes }
            : f,
        ),
    };
    const context = {
      ...request.context,
      repos: { ...request.context.repos, release: RepoId.parse('team/huge') },
    };
    await expect(makeVariants(small)({ ...request, context })).rejects.toMatchObject({
      kind: 'InvalidInput',
      message: expect.stringMatching(/variant "fused" to fit.*memory of/s),
    });
    expect(await hub.resolve({ type: 'model', repo: RepoId.parse('team/huge-fused') })).toBeNull();
  }, 60_000);

  it('do not get onto the Hub when they paint something else', async () => {
    const record = { type: 'dataset', repo: request.context.repos.record } as const;
    const [first] = judgedSamples(request.context);
    const foreign = await hub.read(record, 'main', 'records/kept.png');
    const commit = await hub.commit({
      ...{ repo: record, message: 'Another judged picture' },
      files: [{ path: `${EVALUATION_FILES.candidate}/${first?.id}.png`, content: foreign ?? '' }],
    });
    const context = {
      ...request.context,
      repos: { ...request.context.repos, release: RepoId.parse('team/strange') },
    };
    const evaluation = { ...request.evaluation, report: { ...request.evaluation.report, commit } };
    await expect(makeVariants()({ ...request, context, evaluation })).rejects.toMatchObject({
      kind: 'Unhealthy',
      message: expect.stringContaining(`another picture for ${first?.id}`),
    });
    expect(await hub.resolve({ type: 'model', repo: RepoId.parse('team/strange-fused') })).toBeNull();
    // The candidate itself is held to the same.
    const { repo, tag } = await publish({ ...request, variants: made });
    const entry = await findRelease(hub, repo, tag);
    const candidate = {
      repo,
      tag,
      commit: entry?.commit ?? commit,
      sha256: request.evaluation.adapter.sha256,
    };
    const trying = createTryRelease({
      hub,
      trainer,
      workDir: join(root, 'work'),
      heartbeat: () => undefined,
    });
    const asRelease = { context: request.context, candidate: { ...candidate, cached: false } };
    expect(await trying({ ...asRelease, evaluation: request.evaluation })).toEqual({
      pictures: 4,
      distance: 0,
    });
    await expect(trying({ ...asRelease, evaluation })).rejects.toMatchObject({ kind: 'Unhealthy' });
  }, 60_000);
});
