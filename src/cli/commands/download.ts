import { stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { EVALUATION_FOLDER } from '../../activities/evaluate/cache-key.ts';
import { PipelineError } from '../../domain/errors.ts';
import type { CommitSha, RepoRef } from '../../domain/refs.ts';
import { RepoId, RunName } from '../../domain/refs.ts';
import { runRepos } from '../../domain/run/repositories.ts';
import { ADAPTER_FILE } from '../../domain/training/checkpoint.ts';
import type { Hub } from '../../hub/hub.ts';
import pc from '../colors.ts';
import { connectRunHub } from '../connect.ts';
import { action, type CommonOptions } from '../context.ts';
import { print } from '../output.ts';

interface DownloadOptions extends CommonOptions {
  namespace?: string;
  to?: string;
  tag: string;
}

/** A model's release, or what a run's gate judged, released or not. */
export interface Downloadable {
  repo: RepoRef;
  commit: CommitSha;
  /** Folder of the repository that the weights are in; empty: the root. */
  folder: string;
  isReleased: boolean;
}

/** Adds `download`: the weights of a model, or of a run that was not released. */
export function addDownloadCommand(program: Command): void {
  action<DownloadOptions>(
    program
      .command('download')
      .argument('<name>', 'a model, or a run, released or not')
      .description('get the LoRA of a model or of a run as .safetensors files')
      .option('--namespace <name>', 'Hub user or organization; default: the token’s owner')
      .option('--tag <tag>', 'release of a model', 'production')
      .option('--to <folder>', 'where to; default: a folder of that name'),
    async ({ env, dataDir, json }, options, operand) => {
      const name = String(operand);
      const hub = connectRunHub(env, dataDir);
      const namespace = options.namespace ?? (await hub.whoAmI());
      const found = await findWeights(hub, { name, namespace, tag: options.tag });
      const folder = resolve(options.to ?? name);
      const files = await fetchWeights(hub, found, folder);
      print(json, { name, ...found, files }, () => describe(found, files));
    },
  );
}

/** Where the weights of a name are: the model's release, else what the run's gate judged. */
export async function findWeights(
  hub: Hub,
  p: { name: string; namespace: string; tag: string },
): Promise<Downloadable> {
  const model = RepoId.safeParse(`${p.namespace}/${p.name}`);
  if (model.success) {
    const repo: RepoRef = { type: 'model', repo: model.data };
    const commit = await hub.resolve(repo, p.tag);
    if (commit !== null && (await hub.stat(repo, commit, ADAPTER_FILE)) !== null)
      return { repo, commit, folder: '', isReleased: true };
  }
  const run = RunName.safeParse(p.name);
  if (run.success) {
    const repo: RepoRef = { type: 'dataset', repo: runRepos(p.namespace, run.data, 'any').record };
    const folder = `${EVALUATION_FOLDER}/adapter`;
    const commit = await hub.resolve(repo);
    if (commit !== null && (await hub.stat(repo, commit, `${folder}/${ADAPTER_FILE}`)) !== null)
      return { repo, commit, folder, isReleased: false };
  }
  throw new PipelineError(
    'InvalidInput',
    `expected a released model or a run whose adapter was evaluated, got "${p.name}" in ${p.namespace}: see "plein-air models" and "plein-air status"`,
  );
}

/** Brings the weights into a folder, verified, each under the repository's own path. */
export async function fetchWeights(
  hub: Hub,
  { repo, commit, folder }: Downloadable,
  toFolder: string,
): Promise<{ path: string; bytes: number }[]> {
  const paths = await hub.download({
    repo,
    commit,
    ...(folder === '' ? {} : { folder }),
    wanted: (path) => path.endsWith('.safetensors') && dirname(path) === (folder === '' ? '.' : folder),
    toFolder,
  });
  return Promise.all(
    paths.map(async (path) => {
      const file = join(toFolder, path);
      return { path: file, bytes: (await stat(file)).size };
    }),
  );
}

function describe({ isReleased, repo }: Downloadable, files: { path: string; bytes: number }[]): string {
  return [
    ...files.map(({ path, bytes }) => `${path}  ${(bytes / 1e6).toFixed(1)} MB`),
    isReleased
      ? `released in ${repo.repo}`
      : pc.yellow(
          `not released: what the gate judged, from ${repo.repo}. Why: evaluation/verdict.json there`,
        ),
  ].join('\n');
}
