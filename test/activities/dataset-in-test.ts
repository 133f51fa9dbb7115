import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PrepareProgress } from '../../src/activities/prepare/deps.ts';
import { parseRunConfig } from '../../src/domain/config/run-config.ts';
import type { PreparedDataset } from '../../src/domain/dataset/prepared-dataset.ts';
import { DatasetManifest, DroppedImage } from '../../src/domain/dataset/record.ts';
import { RepoId } from '../../src/domain/refs.ts';
import type { RunContext } from '../../src/domain/run/context.ts';
import { connectHub } from '../../src/hub/client.ts';
import type { Hub } from '../../src/hub/hub.ts';
import { startHubInTest, TOKEN } from '../local-hub/hub-in-test.ts';
import { prepareHere } from './prepare-here.ts';

/** A local Hub with a source dataset, and a folder to work in. */
export interface DatasetInTest {
  hub: Hub;
  folder: string;
  /** Puts files into a new source repository and gives a run's context for it. */
  seed(
    name: string,
    files: { path: string; content: Buffer | string }[],
  ): Promise<(config?: Record<string, unknown>) => RunContext>;
  prepare(context: RunContext, options?: PrepareOptions): Promise<PreparedDataset>;
  manifest(prepared: PreparedDataset): Promise<DatasetManifest>;
  dropped(prepared: PreparedDataset): Promise<DroppedImage[]>;
  close(): Promise<void>;
}

export interface PrepareOptions {
  hub?: Hub;
  /** Work folder below the test's own; default `work`. */
  work?: string;
  onProgress?: (progress: PrepareProgress) => void;
}

/** Starts the Hub. */
export async function startDatasetInTest(): Promise<DatasetInTest> {
  const server = await startHubInTest();
  const hub = connectHub({ endpoint: server.url, accessToken: TOKEN });
  const folder = await mkdtemp(join(tmpdir(), 'plein-air-dataset-'));
  const baseRepo = { type: 'model' as const, repo: RepoId.parse('plein-air/shapeless-base') };
  await hub.ensureRepo(baseRepo);
  const base = {
    ...baseRepo,
    commit: await hub.commit({
      repo: baseRepo,
      message: 'Base',
      files: [{ path: 'README.md', content: '# Base\n' }],
    }),
  };
  const read = async (prepared: PreparedDataset, path: string): Promise<string> =>
    (await hub.read(prepared.dataset, prepared.dataset.commit, path))?.toString('utf8') ?? '';
  return {
    hub,
    folder,
    async seed(name, files) {
      const repo = { type: 'dataset' as const, repo: RepoId.parse(`plein-air/${name}`) };
      await hub.ensureRepo(repo);
      const commit = await hub.commit({ repo, message: 'Seed', files });
      return (config = {}) => contextOf({ source: { ...repo, commit }, base }, config);
    },
    prepare: (context, options = {}) =>
      prepareHere(
        {
          hub: options.hub ?? hub,
          workDir: join(folder, options.work ?? 'work'),
          heartbeat: options.onProgress ?? (() => undefined),
        },
        context,
      ),
    manifest: async (prepared) => DatasetManifest.parse(JSON.parse(await read(prepared, 'manifest.json'))),
    dropped: async (prepared) =>
      (await read(prepared, 'dropped.jsonl'))
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => DroppedImage.parse(JSON.parse(line))),
    close: async () => {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function contextOf(at: Pick<RunContext, 'source' | 'base'>, config: Record<string, unknown>): RunContext {
  const parsed = parseRunConfig(config);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  const repo = (name: string) => RepoId.parse(`plein-air/${name}`);
  return {
    run: 'test' as RunContext['run'],
    workflowId: 'test',
    runId: 'test',
    config: parsed.value,
    namespace: 'plein-air',
    ...at,
    repos: {
      checkpoints: repo('test-checkpoints'),
      record: repo('test-record'),
      release: repo('test-release'),
      space: repo('test-space'),
    },
  };
}
