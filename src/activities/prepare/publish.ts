import { AsyncResource } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { PreparedDataset } from '../../domain/dataset/prepared-dataset.ts';
import { PipelineError } from '../../domain/errors.ts';
import type { CommitSha, RepoRef } from '../../domain/refs.ts';
import type { PipelineActivities } from '../../domain/run/activities.ts';
import type { RunContext } from '../../domain/run/context.ts';
import type { Hub } from '../../hub/hub.ts';
import { assemble } from './assemble.ts';
import {
  findPrepared,
  localFolder,
  type PreparationTarget,
  settingsOf,
  targetOf,
  unlessPrepared,
} from './cache-key.ts';
import { openCaptions } from './captions/read.ts';
import type { PrepareDeps } from './deps.ts';
import { type GroupResult, PrepareStore } from './local-store.ts';
import { readPlan, type StoredPlan, workRemoved } from './work-repo.ts';

/**
 * Makes the activity that turns the shards' results into one published dataset. Only what is on the Hub counts: results
 * that this machine does not hold are fetched. The work repository is removed once the dataset is there.
 */
export function createAssembleDataset(deps: PrepareDeps): PipelineActivities['assembleDataset'] {
  return async ({ context, work: workId }) => {
    const { hub } = deps;
    const heartbeat = AsyncResource.bind(deps.heartbeat);
    const signal = deps.signal?.();
    const target = targetOf(context);
    const work: RepoRef = { type: 'dataset', repo: workId };
    const present = await findPrepared(hub, target.repo, target.key);
    const part = () => publish({ ...deps, heartbeat, signal }, context, target, work);
    const made = present ?? (await unlessPrepared(hub, target, part, (by) => by));
    await hub.deleteRepo(work);
    return {
      dataset: { ...target.repo, commit: made.commit },
      images: made.manifest.images,
      dropped: made.manifest.dropped,
      cached: present !== null,
    } satisfies PreparedDataset;
  };
}

type PublishDeps = Omit<PrepareDeps, 'signal'> & { signal: AbortSignal | undefined };

async function publish(deps: PublishDeps, context: RunContext, target: PreparationTarget, work: RepoRef) {
  const { hub, signal } = deps;
  const config = context.config.dataset;
  const folder = localFolder(deps.workDir, target);
  const store = new PrepareStore(folder);
  const { plan, head } = await fetchResults(deps, target, work, folder);
  const groups = await readGroups(store, plan, work);
  const out = join(folder, `dataset-${randomUUID()}`);
  let written = 0;
  const assembled = await assemble({
    key: target.key,
    settings: { ...settingsOf(config), seed: context.config.seed },
    config,
    seed: context.config.seed,
    source: context.source,
    reference: context.reference ?? null,
    sourceCard: await cardOf(hub, context.source),
    plan,
    groups,
    captions: await openCaptions(hub, { context, work, head, groups }),
    bytesRead: groups.reduce((sum, { bytesRead }) => sum + bytesRead, plan.labelBytes),
    store,
    out,
    giveWay: async () => {
      signal?.throwIfAborted();
      deps.heartbeat({ stage: 'comparing', done: 0, total: groups.length });
      await setImmediate();
    },
    onGroup: () => {
      written += 1;
      deps.heartbeat({ stage: 'writing', done: written, total: groups.length });
    },
  });
  signal?.throwIfAborted();
  await hub.ensureRepo(target.repo, { private: true });
  let answered = 0;
  const commit = await hub.commit({
    repo: target.repo,
    message: `Prepare ${config.style} from ${context.source.repo}@${context.source.commit.slice(0, 12)}`,
    files: assembled.files.map(({ path, file }) => ({ path, content: { file } })),
    onProgress: () => {
      answered += 1;
      deps.heartbeat({ stage: 'uploading', done: answered, total: Math.max(answered, groups.length) });
    },
    ...(signal === undefined ? {} : { signal }),
  });
  await rm(folder, { recursive: true, force: true });
  return { commit, manifest: assembled.manifest };
}

/** Brings here what other workers prepared; what is here and verifies is kept. */
async function fetchResults(
  deps: PublishDeps,
  target: PreparationTarget,
  work: RepoRef,
  folder: string,
): Promise<{ plan: StoredPlan; head: CommitSha }> {
  const { hub, signal } = deps;
  const known = await readPlan(hub, work, target.key);
  if (known === null) throw workRemoved(`the plan of ${target.repo.repo}`, work);
  await hub.download({
    repo: work,
    commit: known.head,
    folder: 'shards',
    toFolder: folder,
    onProgress: (done, total) => deps.heartbeat({ stage: 'fetching', done, total }),
    ...(signal === undefined ? {} : { signal }),
  });
  return known;
}

async function readGroups(store: PrepareStore, plan: StoredPlan, work: RepoRef): Promise<GroupResult[]> {
  const groups: GroupResult[] = [];
  for (const name of plan.shards.flatMap((shard) => shard.groups)) {
    const result = await store.group(name);
    if (result === null)
      throw new PipelineError(
        'Corrupt',
        `Expected the result of row group ${name} in ${work.repo}, got none: every shard must be prepared first`,
      );
    groups.push(result);
  }
  return groups;
}

async function cardOf(hub: Hub, source: RunContext['source']): Promise<string> {
  return (await hub.read(source, source.commit, 'README.md'))?.toString('utf8') ?? '';
}
