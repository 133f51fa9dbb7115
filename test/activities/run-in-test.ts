import { createHash, randomBytes } from 'node:crypto';
import sharp from 'sharp';
import { parseRunConfig } from '../../src/domain/config/run-config.ts';
import type { Verdict } from '../../src/domain/evaluation/gate.ts';
import type { EvaluationReport } from '../../src/domain/evaluation/report.ts';
import {
  type CommitSha,
  type FileRef,
  RepoId,
  type RepoRef,
  RunName,
  Sha256,
} from '../../src/domain/refs.ts';
import type { PipelineActivities } from '../../src/domain/run/activities.ts';
import type { RunContext } from '../../src/domain/run/context.ts';
import { runRepos } from '../../src/domain/run/repositories.ts';
import type { TrainingLedger } from '../../src/domain/training/ledger.ts';
import { formatMetricLog } from '../../src/domain/training/metric-log.ts';
import type { Training } from '../../src/domain/training/training.ts';
import type { Hub } from '../../src/hub/hub.ts';

export type DeployRequest = Parameters<PipelineActivities['deploy']>[0];

/** Lower-case sha256 of bytes. */
export function sha(bytes: Buffer | string): Sha256 {
  return Sha256.parse(createHash('sha256').update(bytes).digest('hex'));
}

/** Puts a file into a repository and refers to it. */
export async function store(
  hub: Hub,
  repo: RepoRef,
  path: string,
  content: string | Buffer,
): Promise<FileRef> {
  const commit = await hub.commit({ repo, message: `Add ${path}`, files: [{ path, content }] });
  return { ...repo, commit, path, sha256: sha(content) };
}

/** Puts files into a repository in one commit; the answer refers to each by its path. */
export async function storeAll(hub: Hub, repo: RepoRef, files: Record<string, string | Buffer>) {
  const listed = Object.entries(files).map(([path, content]) => ({ path, content }));
  const commit = await hub.commit({ repo, message: 'Add files', files: listed });
  return (path: string): FileRef => ({ ...repo, commit, path, sha256: sha(files[path] ?? '') });
}

/** A small evaluation report about an adapter. */
function reportInTest(adapterSha256: Sha256): EvaluationReport {
  const metric = { estimate: 0.02, low: 0.01, high: 0.03, n: 4, method: 'jackknife <i>' };
  const any = sha('any');
  return {
    format: 1,
    encoder: { name: 'efficientnet-lite0', package: 'test 1', weightsSha256: any, dimensions: 4, side: 32 },
    adapterSha256,
    samples: {
      setSha256: sha('set'),
      count: 4,
      prompts: 2,
      candidateManifestSha256: any,
      baseManifestSha256: any,
    },
    dataset: { train: 80, unseen: 30, reference: 'test', neighbors: 24, files: {} },
    confidence: 0.95,
    seed: 0,
    metrics: { 'kid.improvement': metric, 'kid.base': metric, 'style.margin': { ...metric, low: null } },
    slices: [{ genre: 'landscape', metrics: { 'style.margin': metric } }],
    omitted: [{ metric: 'clip.score', reason: 'no text encoder' }],
    faults: { candidate: {}, base: {} },
    perSample: [],
    closest: [
      {
        ...{ sample: 'river-s0', train: 't1', trainCosine: 0.7, unseen: 'u1', unseenCosine: 0.69 },
        picture: 'closest/1.png',
      },
    ],
  };
}

/** A safetensors file with the names of one layer's LoRA, or of `stem`. */
export function kohyaInTest(stem = 'lora_unet_double_blocks_0_img_attn_qkv'): Buffer {
  const names = ['lora_down.weight', 'lora_up.weight', 'alpha'].map((side) => `${stem}.${side}`);
  const tensors = names.map((name, i) => [
    name,
    { dtype: 'F32', shape: [1], data_offsets: [4 * i, 4 * i + 4] },
  ]);
  const header = Buffer.from(JSON.stringify(Object.fromEntries(tensors)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, Buffer.alloc(4 * names.length)]);
}

/** The beginning of a FLUX license, and the notice that it prescribes. */
export function fluxLicenseInTest(title = 'FLUX.1 [dev] Non-Commercial License v1.1.1'): string {
  const name = title.replace(/ v[\d.]+$/, '');
  return `${title}

2e. Content Filters; disclosure of artificial intelligence technologies.
3b. “The FLUX.1 [dev] Model is licensed by Black Forest Labs Inc. under the ${name}. Copyright Black Forest Labs Inc.
    IN NO EVENT SHALL BLACK FOREST LABS INC. BE LIABLE FOR ANYTHING IN CONNECTION WITH USE OF THIS MODEL.”
`;
}

function baseFilesInTest(repo: string): Record<string, string> {
  if (!repo.startsWith('black-forest-labs/FLUX.1-dev'))
    return { 'README.md': '---\nlicense: apache-2.0\n---\n' };
  const card = '---\nlicense: other\nlicense_name: flux-1-dev-non-commercial-license\n---\n';
  return { 'README.md': card, 'LICENSE.md': fluxLicenseInTest() };
}

/** A finished run as its repositories hold it, with a verdict on an adapter of random bytes. */
export async function runInTest(p: {
  hub: Hub;
  namespace: string;
  run: string;
  model?: string;
  verdict?: 'PASS' | 'FAIL' | 'INCONCLUSIVE';
  config?: Record<string, unknown>;
  adapter?: Buffer;
  /** The base's card and license; default: Apache-2.0, or FLUX.1 [dev]'s where the base is that. */
  base?: Record<string, string>;
}): Promise<DeployRequest> {
  const { hub, namespace } = p;
  const verdict = p.verdict ?? 'PASS';
  const parsed = parseRunConfig({ namespace, model: p.model ?? 'painter', ...p.config });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  const run = RunName.parse(p.run);
  const repos = runRepos(namespace, run, parsed.value.model);
  const record: RepoRef = { type: 'dataset', repo: repos.record };
  const checkpoints: RepoRef = { type: 'model', repo: repos.checkpoints };
  const prepared: RepoRef = { type: 'dataset', repo: RepoId.parse(`${namespace}/${run}-data`) };
  for (const repo of [record, checkpoints, prepared]) await hub.ensureRepo(repo);

  const adapterBytes = p.adapter ?? randomBytes(4096);
  const report = JSON.stringify(reportInTest(sha(adapterBytes)));
  const rules: Verdict['rules'] = [
    {
      ...{ metric: 'kid.improvement', must: 'above', threshold: 0 },
      ...{ estimate: 0.02, low: 0.01, high: 0.03 },
      ...{ outcome: verdict === 'PASS' ? 'pass' : 'fail', sentence: `${verdict} kid.improvement` },
    },
  ];
  const stored: Verdict = {
    ...{ format: 1, verdict, confidence: 0.95, rules, problems: [] },
    ...{ adapterSha256: sha(adapterBytes), reportSha256: sha(report), sampleSetSha256: sha('set') },
  };
  const picture = (r: number, side = 32) => {
    const half = {
      width: side,
      height: side / 2,
      channels: 3,
      background: { r: 250 - r, g: 90, b: 20 },
    } as const;
    return sharp({ create: { width: side, height: side, channels: 3, background: { r, g: 120, b: 200 } } })
      .composite([{ input: { create: half }, gravity: 'south' }])
      .png()
      .toBuffer();
  };
  const samples = (['river', 'lake'] as const).flatMap((promptId) =>
    [0, 1].map((draw) => ({
      ...{ id: `${promptId}-s${draw}`, prompt: `a ${promptId} <b>&</b>, plnr impressionism`, seed: draw },
      ...{ promptId, genre: { river: 'landscape', lake: 'water' }[promptId] },
    })),
  );
  const evaluated = await storeAll(hub, record, {
    'evaluation/adapter/pytorch_lora_weights.safetensors': adapterBytes,
    'evaluation/adapter/painter_kohya.safetensors': kohyaInTest(),
    'evaluation/report.json': report,
    'evaluation/verdict.json': JSON.stringify(stored),
    'evaluation/samples.json': JSON.stringify(samples),
    'evaluation/closest/1.png': await picture(9, 48),
    'records/kept.png': await picture(60, 64),
    ...Object.fromEntries(
      await Promise.all(
        samples.flatMap(({ id }) =>
          ['base', 'candidate'].map(async (who, i) => [
            `evaluation/${who}/${id}.png`,
            await picture(40 + 150 * i, parsed.value.evaluation.size),
          ]),
        ),
      ),
    ),
  });
  const adapter = evaluated('evaluation/adapter/pytorch_lora_weights.safetensors');
  const gateRecord = evaluated('evaluation/verdict.json');
  const data = await store(hub, prepared, 'README.md', '# data');
  const lines = Array.from({ length: 30 }, (_, i) => ({
    ...{ attempt: i < 12 ? 1 : 2, step: i + 1, at: 1000 + i },
    values: {
      loss: 1 / (i + 1),
      learningRate: 1e-3,
      ...(i % 10 === 9 ? { heldOutLoss: 0.5 - i / 100 } : {}),
    },
  }));
  const attempt = {
    owner: 'wf',
    runId: 'r',
    startedAt: 1,
    checkpoints: 1,
    packs: 0,
    gpuSeconds: 6,
    failure: null,
    damaged: [],
    accepted: [],
  };
  const ledger: TrainingLedger = {
    ...{ format: 1, branch: 'main', result: null, pendingDeletions: [] },
    attempts: [
      { ...attempt, token: 1, machine: 'gpu@colab-1:9', resumedFrom: 0, reached: 12, ended: 'preempted' },
      { ...attempt, token: 2, resumedFrom: 10, reached: 30, ended: 'done' },
    ],
  };
  const checkpoint = (
    await storeAll(hub, checkpoints, {
      'metrics.jsonl': formatMetricLog(lines),
      'ledger.json': JSON.stringify(ledger),
    })
  )('metrics.jsonl');
  const baseRepo: RepoRef = { type: 'model', repo: parsed.value.base.repo };
  await hub.ensureRepo(baseRepo);
  const base = await storeAll(hub, baseRepo, {
    'transformer/weights.safetensors': Buffer.alloc(64),
    ...(p.base ?? baseFilesInTest(baseRepo.repo)),
  });
  const weights = base('transformer/weights.safetensors');
  const context: RunContext = {
    run,
    workflowId: `wf-${run}`,
    runId: `id-${run}`,
    config: { ...parsed.value, run },
    namespace,
    base: { ...baseRepo, commit: weights.commit },
    source: { type: 'dataset', repo: parsed.value.dataset.source, commit: 'c'.repeat(40) as CommitSha },
    repos,
  };
  const training: Training = {
    outcome: 'done',
    step: 30,
    steps: 30,
    checkpoint: { ...checkpoints, commit: checkpoint.commit },
    path: 'checkpoints/step-00000030',
    adapterSha256: adapter.sha256,
    heldOutLoss: 0.31,
    trainLoss: 0.2,
    repeatedSteps: 0,
    preemptions: 1,
    gpuSeconds: 12,
  };
  return {
    context,
    dataset: {
      dataset: { ...prepared, commit: data.commit },
      images: { train: 80, held_out: 20, test: 10, neighbors: 24 },
      dropped: { corrupt: 3, 'too-small': 4 },
      cached: false,
    },
    training,
    evaluation: { report: evaluated('evaluation/report.json'), adapter, summary: 'KID better than base' },
    gate: { verdict, reasons: ['kid.improvement above 0'], record: gateRecord },
    approval: null,
  };
}

/** A Hub whose n-th write (from 1) is lost with the worker: it happens or not, and nobody hears of it. */
export function dyingHub(hub: Hub, n: number, when: 'before' | 'after'): Hub {
  let writes = 0;
  const dying =
    <A extends unknown[], R>(write: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      writes += 1;
      if (writes > n || (writes === n && when === 'before')) throw new WorkerDied();
      const result = await write(...args);
      if (writes === n) throw new WorkerDied();
      return result;
    };
  return {
    ...hub,
    ensureRepo: dying(hub.ensureRepo),
    commit: dying(hub.commit),
    createTag: dying(hub.createTag),
    setBranch: dying(hub.setBranch),
  };
}

/** Stands for the death of the process. */
export class WorkerDied extends Error {}
