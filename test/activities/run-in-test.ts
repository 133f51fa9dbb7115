import { createHash, randomBytes } from 'node:crypto';
import type { PipelineActivities, RunContext, Training } from '../../src/domain/activities.ts';
import {
  type CommitSha,
  type FileRef,
  RepoId,
  type RepoRef,
  RunName,
  Sha256,
} from '../../src/domain/refs.ts';
import { runRepos } from '../../src/domain/repositories.ts';
import { parseRunConfig } from '../../src/domain/run-config.ts';
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

/** A finished run as its repositories hold it, with a verdict on an adapter of random bytes. */
export async function runInTest(p: {
  hub: Hub;
  namespace: string;
  run: string;
  model?: string;
  verdict?: 'PASS' | 'FAIL' | 'INCONCLUSIVE';
  config?: Record<string, unknown>;
  adapter?: Buffer;
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
  const adapter = await store(
    hub,
    record,
    'evaluation/adapter/pytorch_lora_weights.safetensors',
    adapterBytes,
  );
  await store(hub, record, 'evaluation/adapter/painter_kohya.safetensors', randomBytes(4000));
  const report = await store(hub, record, 'evaluation/report.json', '{}');
  const stored = JSON.stringify({
    format: 1,
    verdict,
    adapterSha256: adapter.sha256,
    reasons: [],
    rules: [],
  });
  const gateRecord = await store(hub, record, 'evaluation/verdict.json', stored);
  const data = await store(hub, prepared, 'README.md', '# data');
  const metrics = Array.from({ length: 30 }, (_, i) =>
    JSON.stringify({ attempt: 1, step: i + 1, values: { loss: 1 / (i + 1), learningRate: 1e-3 } }),
  ).join('\n');
  const checkpoint = await store(hub, checkpoints, 'metrics.jsonl', metrics);
  const context: RunContext = {
    run,
    workflowId: `wf-${run}`,
    runId: `id-${run}`,
    config: { ...parsed.value, run },
    namespace,
    base: { type: 'model', repo: parsed.value.base.repo, commit: 'b'.repeat(40) as CommitSha },
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
      images: { train: 80, held_out: 20, test: 10, neighbours: 24 },
      dropped: { corrupt: 3, 'too-small': 4 },
      cached: false,
    },
    training,
    evaluation: { report, adapter, summary: 'KID better than base' },
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
