import { AsyncResource } from 'node:async_hooks';
import { join } from 'node:path';
import sharp from 'sharp';
import type { DatasetConfig } from '../../domain/config/run-config.ts';
import { bucketsFor } from '../../domain/dataset/buckets.ts';
import type { Drop } from '../../domain/dataset/measures.ts';
import { type GroupPlan, sourceOf } from '../../domain/dataset/plan.ts';
import { PipelineError } from '../../domain/errors.ts';
import type { RepoRef } from '../../domain/refs.ts';
import type { PictureActivities, PreparedShard } from '../../domain/run/activities.ts';
import type { RunContext } from '../../domain/run/context.ts';
import type { Hub } from '../../hub/hub.ts';
import { type PictureOutcome, preparePicture } from '../../images/prepare-picture.ts';
import type { Raster } from '../../images/raster.ts';
import { openHubFile } from '../../wikiart/hub-file.ts';
import {
  type GroupLabels,
  type GroupPictures,
  openShard,
  readPictures,
  type Shard,
} from '../../wikiart/shard.ts';
import { inFlight } from '../support/concurrency.ts';
import { localFolder, type PreparationTarget, targetOf, unlessPrepared } from './cache-key.ts';
import type { PrepareDeps } from './deps.ts';
import { type GroupResult, type Pack, PrepareStore } from './local-store.ts';
import { padded, readWork, ShardTask, shardFolder, taskFile, workRemoved } from './work-repo.ts';

/** Pictures decoded at the same time: libvips runs each on one thread, and more in flight beat more threads. */
const PICTURES_IN_FLIGHT = 4;
/** Long side of a dropped picture's thumbnail, in pixels. */
const THUMBNAIL_SIDE = 96;

/** Name of a row group's result, in the store and in the work repository. */
export function groupName(plan: { fileIndex: number; group: number }): string {
  return `${shardFolder(plan.fileIndex)}/group-${padded(plan.group)}`;
}

/**
 * Makes the activity that prepares one shard. It may run any number of times, here and elsewhere, even at once: a shard
 * whose results are in the work repository is not touched again, and row groups that a stopped attempt finished on this
 * machine are not read again.
 */
export function createPrepareShard(deps: PrepareDeps): PictureActivities['prepareShard'] {
  return async (p) => {
    const target = targetOf(p.context);
    // Temporal knows which activity a heartbeat is of by the asynchronous context that it is sent from.
    const heartbeat = AsyncResource.bind(deps.heartbeat);
    const part = (): Promise<PreparedShard> => doShard({ ...deps, heartbeat }, target, p);
    return unlessPrepared(deps.hub, target, part, () => nothingOf(p.shard));
  };
}

async function doShard(
  deps: PrepareDeps,
  target: PreparationTarget,
  { context, work: workId, shard }: Parameters<PictureActivities['prepareShard']>[0],
): Promise<PreparedShard> {
  const { hub, heartbeat } = deps;
  const signal = deps.signal?.();
  const work: RepoRef = { type: 'dataset', repo: workId };
  const task = await openTask(hub, work, shard);
  if (task === 'done') return nothingOf(shard);
  const store = new PrepareStore(localFolder(deps.workDir, target));
  const total = task.groups.reduce((n, { plan }) => n + plan.wanted.length + plan.neighbors.length, 0);
  let done = 0;
  const tell = () => heartbeat({ stage: `shard ${shard}`, done, total });
  const results = await prepareGroups(
    { task, context },
    {
      hub,
      store,
      signal,
      onBytes: tell,
      onPicture: () => {
        done += 1;
        tell();
      },
    },
  );
  await hub.commit({
    repo: work,
    message: `Shard ${shard}: ${results.length} row groups`,
    files: results.flatMap(({ name, result }) =>
      [`${name}.json`, result.pack].map((path) => ({ path, content: { file: join(store.folder, path) } })),
    ),
    onProgress: tell,
    ...(signal === undefined ? {} : { signal }),
  });
  return results.reduce(
    (sum, { result }) => ({
      shard,
      kept: sum.kept + result.candidates.length,
      dropped: sum.dropped + result.dropped.length,
    }),
    nothingOf(shard),
  );
}

/** A shard of which this attempt has done nothing. */
function nothingOf(shard: number): PreparedShard {
  return { shard, kept: 0, dropped: 0 };
}

/** What is left to do for a shard. */
async function openTask(hub: Hub, work: RepoRef, shard: number): Promise<ShardTask | 'done'> {
  const head = await hub.resolve(work);
  if (head === null) throw workRemoved(taskFile(shard), work);
  if ((await hub.list(work, head, shardFolder(shard))).length > 0) return 'done';
  const task = await readWork(hub, work, head, { path: taskFile(shard), schema: ShardTask });
  if (task === null) throw workRemoved(taskFile(shard), work);
  return task;
}

interface GroupDeps {
  hub: Hub;
  store: PrepareStore;
  onBytes(): void;
  onPicture(): void;
  signal: AbortSignal | undefined;
}

/** Prepares a shard's row groups one after the other; the next one's bytes come while this one's pictures are resized. */
async function prepareGroups(
  work: { task: ShardTask; context: RunContext },
  deps: GroupDeps,
): Promise<{ name: string; result: GroupResult }[]> {
  const { task, context } = work;
  const open = once(async () =>
    openShard(
      await openHubFile({
        hub: deps.hub,
        at: task.at,
        path: task.path,
        bytes: task.bytes,
        signal: deps.signal,
        onRange: deps.onBytes,
      }),
    ),
  );
  const results: { name: string; result: GroupResult }[] = [];
  const missing: ShardTask['groups'] = [];
  for (const group of task.groups) {
    const name = groupName(group.plan);
    const result = await deps.store.group(name);
    if (result === null) missing.push(group);
    else {
      results.push({ name, result });
      for (let i = 0; i < group.plan.wanted.length + group.plan.neighbors.length; i++) deps.onPicture();
    }
  }
  const fetch = async (group: ShardTask['groups'][number] | undefined) =>
    group === undefined
      ? null
      : picturesOf(await open(), group.labels, deps.store.folder, imageOf(task, context));
  let coming = fetch(missing[0]);
  try {
    for (const [at, group] of missing.entries()) {
      const pictures = (await coming) as GroupPictures | Drop;
      coming = fetch(missing[at + 1]);
      // Its failure is met when its turn comes; until then it must not count as unhandled.
      coming.catch(() => undefined);
      const name = groupName(group.plan);
      try {
        const { dataset } = context.config;
        const result = await prepareGroup({ ...group, name, pictures, config: dataset }, deps);
        results.push({ name, result });
      } finally {
        await closed(pictures);
      }
    }
  } finally {
    await closed(await coming.catch(() => null));
  }
  return results;
}

async function closed(pictures: GroupPictures | Drop | null): Promise<void> {
  if (pictures !== null && 'close' in pictures) await pictures.close();
}

interface GroupWork {
  name: string;
  plan: GroupPlan;
  labels: GroupLabels;
  pictures: GroupPictures | Drop;
  config: DatasetConfig;
}

/** Prepares one row group's pictures, several at a time, and writes them in the order of their rows. */
async function prepareGroup(work: GroupWork, deps: GroupDeps): Promise<GroupResult> {
  const { plan, labels, pictures, config } = work;
  const buckets = bucketsFor(config.resolution);
  const pack = await deps.store.createPack(work.name);
  try {
    const result: GroupResult = {
      bytesRead: labels.imageBytes,
      pack: '',
      packBytes: 0,
      candidates: [],
      dropped: [],
    };
    const rows = [
      ...plan.wanted.map((row) => ({ row, kind: 'wanted' as const })),
      ...plan.neighbors.map((row) => ({ row, kind: 'neighbor' as const })),
    ];
    const inTurn = turns();
    await inFlight(rows, PICTURES_IN_FLIGHT, async ({ row, kind }, at) => {
      deps.signal?.throwIfAborted();
      const outcome: PictureOutcome =
        'at' in pictures
          ? await preparePicture(await pictures.at(row), config, buckets)
          : { ok: false, drop: pictures, survey: null };
      await inTurn(at, () => record(result, { row, kind, outcome, plan, labels, pack }));
      deps.onPicture();
    });
    Object.assign(result, await pack.close());
    await deps.store.writeJson(`${work.name}.json`, result);
    return result;
  } catch (error) {
    await pack.discard().catch(() => undefined);
    throw error;
  }
}

async function record(
  result: GroupResult,
  p: {
    row: number;
    kind: 'wanted' | 'neighbor';
    outcome: PictureOutcome;
    plan: GroupPlan;
    labels: GroupLabels;
    pack: Pack;
  },
): Promise<void> {
  const { row, kind, outcome, plan, labels, pack } = p;
  const source = sourceOf({ ...plan, files: labels.files }, row);
  const order = plan.fileIndex * 2 ** 32 + plan.firstRow + row;
  if (!outcome.ok) {
    const thumbnail = await thumbnailOf(outcome.survey, pack);
    result.dropped.push({ kind, source, order, drop: outcome.drop, thumbnail });
    return;
  }
  const { measures, pixels, bucket, encoded } = outcome;
  const candidate = {
    source,
    order,
    artist: labels.artists[row] ?? '',
    genre: labels.genres[row] ?? '',
    style: labels.styles[row] ?? '',
    caption: labels.captions?.[row] ?? '',
    measures,
    pixels,
    bucket: { ...bucket },
  };
  result.candidates.push({ kind, candidate, png: await pack.append(encoded) });
}

/** The column of the pictures: a reference is read by WikiArt's names. */
function imageOf(task: ShardTask, { source, config }: RunContext): string {
  const isSource = task.at.repo === source.repo && task.at.commit === source.commit;
  return isSource ? config.dataset.columns.image : 'image';
}

/** A row group's encoded pictures, or why none of them can be read. */
async function picturesOf(
  shard: Shard,
  labels: GroupLabels,
  folder: string,
  image: string,
): Promise<GroupPictures | Drop> {
  try {
    return await readPictures(shard, labels, folder, image);
  } catch (error) {
    if (!(error instanceof PipelineError) || error.kind !== 'BadData') throw error;
    return { reason: 'corrupt', measured: error.message.slice(0, 200), limit: null };
  }
}

async function thumbnailOf(survey: Raster | null, pack: Pack) {
  if (survey === null) return null;
  const { width, height } = survey;
  const png = await sharp(survey.data, { raw: { width, height, channels: 3 } })
    .resize({ width: THUMBNAIL_SIDE, height: THUMBNAIL_SIDE, fit: 'inside' })
    .png()
    .toBuffer();
  return pack.append(png);
}

/** Runs tasks numbered from 0 strictly in that order, whenever they are handed in. */
function turns(): (at: number, task: () => Promise<void>) => Promise<void> {
  let next = 0;
  const waiting = new Map<number, () => void>();
  return async (at, task) => {
    if (at !== next) await new Promise<void>((go) => waiting.set(at, go));
    await task();
    next = at + 1;
    waiting.get(next)?.();
    waiting.delete(next);
  };
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | null = null;
  return () => {
    made ??= make();
    return made;
  };
}
