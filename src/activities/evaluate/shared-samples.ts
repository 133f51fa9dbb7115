import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { type EvaluationReport, Metric } from '../../domain/evaluation/report.ts';
import type { StandardSample } from '../../domain/evaluation/sample-set.ts';
import { type CommitSha, RepoId, type RepoRef, type Sha256 } from '../../domain/refs.ts';
import type { RunContext } from '../../domain/run/context.ts';
import { sha256Of } from '../../hub/hashing.ts';
import type { Hub } from '../../hub/hub.ts';
import { parseJson } from '../../hub/verified-json.ts';

/** The base's pictures of one sample set on the Hub, shared by every run on that base: painting them is half the work. */
export interface SharedSamples {
  repo: RepoRef;
  folder: string;
}

/** Where the pictures of a base commit and sample set are kept: `<namespace>/<base>-samples`, a folder a key. */
export function sharedSamples(context: RunContext, sampleSetSha256: Sha256): SharedSamples {
  const { base, namespace } = context;
  const name = `${base.repo.split('/')[1]}-samples`.slice(0, 90);
  const key = sha256Of(JSON.stringify([base.repo, base.commit, sampleSetSha256]));
  return {
    repo: { type: 'dataset', repo: RepoId.parse(`${namespace}/${name}`) },
    folder: `base/${key.slice(0, 24)}`,
  };
}

/** Where the pictures of a release are kept: beside the base's, by the release's bytes. */
export function samplesOfRelease(
  context: RunContext,
  sampleSetSha256: Sha256,
  adapterSha256: Sha256,
): SharedSamples {
  const { repo } = sharedSamples(context, sampleSetSha256);
  const key = sha256Of(JSON.stringify([adapterSha256, sampleSetSha256]));
  return { repo, folder: `releases/${key.slice(0, 24)}` };
}

/**
 * Fetches shared pictures below `toFolder`; returns their folder, which may be empty. The trainer keeps only those that
 * carry its own recipe (base, set, software, device) and paints the rest.
 */
export async function fetchSharedSamples(p: {
  hub: Hub;
  shared: SharedSamples;
  toFolder: string;
  signal?: AbortSignal | undefined;
}): Promise<string> {
  const { hub, shared, toFolder } = p;
  const commit = await hub.resolve(shared.repo);
  if (commit !== null && (await hub.list(shared.repo, commit, shared.folder)).length > 0)
    await hub.download({
      repo: shared.repo,
      commit,
      folder: shared.folder,
      toFolder,
      ...(p.signal === undefined ? {} : { signal: p.signal }),
    });
  return join(toFolder, ...shared.folder.split('/'));
}

/** Puts freshly painted pictures where the next run finds them; does nothing when the same set is there. */
export async function shareSamples(p: {
  hub: Hub;
  shared: SharedSamples;
  samples: readonly StandardSample[];
  from: string;
  signal?: AbortSignal | undefined;
}): Promise<void> {
  const { hub, shared, from } = p;
  await hub.ensureRepo(shared.repo, { private: true });
  const head = await hub.resolve(shared.repo);
  const manifest = await readFile(join(from, 'manifest.json'));
  const known = head === null ? null : await hub.read(shared.repo, head, `${shared.folder}/manifest.json`);
  if (known?.equals(manifest)) return;
  await hub.commit({
    repo: shared.repo,
    message: `Standard samples in ${shared.folder} (${p.samples.length} pictures)`,
    files: [...p.samples.map(({ id }) => `${id}.png`), 'manifest.json'].map((name) => ({
      path: `${shared.folder}/${name}`,
      content: { file: join(from, name) },
    })),
    ...(p.signal === undefined ? {} : { signal: p.signal }),
  });
}

/** `scores-<dataset commit>.json` beside the base's pictures: the base's own figures, as measured against a dataset. */
export const BaseScores = z.strictObject({
  format: z.literal(1),
  encoder: z.string(),
  metrics: z.record(z.string(), Metric),
});
export type BaseScores = z.infer<typeof BaseScores>;

function scoresFile(shared: SharedSamples, dataset: CommitSha): string {
  return `${shared.folder}/scores-${dataset.slice(0, 24)}.json`;
}

/** Puts what an evaluation measured of the base itself where the analysis of a later run finds it, if it is news. */
export async function shareBaseScores(p: {
  hub: Hub;
  shared: SharedSamples;
  dataset: CommitSha;
  report: EvaluationReport;
  signal?: AbortSignal | undefined;
}): Promise<void> {
  const metrics = Object.entries(p.report.metrics).filter(([name]) => /\.base/.test(name));
  const scores: BaseScores = {
    format: 1,
    encoder: p.report.encoder.name,
    metrics: Object.fromEntries(metrics),
  };
  const { hub, shared } = p;
  const path = scoresFile(shared, p.dataset);
  const content = `${JSON.stringify(scores, null, 1)}\n`;
  await hub.ensureRepo(shared.repo, { private: true });
  const head = await hub.resolve(shared.repo);
  const known = head === null ? null : await hub.read(shared.repo, head, path);
  if (known?.toString('utf8') === content) return;
  await hub.commit({
    repo: shared.repo,
    message: `Scores of the base in ${shared.folder}`,
    files: [{ path, content }],
    ...(p.signal === undefined ? {} : { signal: p.signal }),
  });
}

/** The base's own figures against a dataset, at a commit of the shared pictures; null: no evaluation has measured them yet. */
export async function readBaseScores(p: {
  hub: Hub;
  shared: SharedSamples;
  commit: CommitSha;
  dataset: CommitSha;
}): Promise<BaseScores | null> {
  const { hub, shared } = p;
  const path = scoresFile(shared, p.dataset);
  const bytes = await hub.read(shared.repo, p.commit, path);
  return bytes === null ? null : parseJson(bytes, BaseScores, `${shared.repo.repo}/${path}`);
}
