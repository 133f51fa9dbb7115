import sharp from 'sharp';
import { bucketsFor } from '../domain/dataset-buckets.ts';
import type { Drop } from '../domain/dataset-measures.ts';
import { type GroupPlan, sourceOf } from '../domain/dataset-plan.ts';
import { PipelineError } from '../domain/errors.ts';
import type { DatasetConfig } from '../domain/run-config.ts';
import type { Hub, HubEntry } from '../hub/hub.ts';
import { preparePicture } from '../images/prepare-picture.ts';
import type { Raster } from '../images/raster.ts';
import { openHubFile } from '../wikiart/hub-file.ts';
import type { Source } from '../wikiart/label-pass.ts';
import { type GroupLabels, openShard, readPictures, type Shard } from '../wikiart/shard.ts';
import { inFlight } from './in-flight.ts';
import type { GroupResult, Pack, PrepareStore } from './prepare-store.ts';

/** Pictures decoded at the same time: libvips runs each on one thread, and more in flight beat more threads. */
const PICTURES_IN_FLIGHT = 4;
/** Long side of a dropped picture's thumbnail, in pixels. */
const THUMBNAIL_SIDE = 96;

/** One parquet file's share of the work: the row groups to read, with their labels. */
export interface ShardWork {
  source: Source;
  entry: HubEntry;
  groups: { plan: GroupPlan; labels: GroupLabels }[];
  config: DatasetConfig;
}

export interface ShardDeps {
  hub: Hub;
  store: PrepareStore;
  /** Called after every picture. */
  onPicture(): void;
  signal?: AbortSignal | undefined;
}

/** Name of a row group's result in the store. */
export function groupName(plan: { fileIndex: number; group: number }): string {
  return `group-${String(plan.fileIndex).padStart(5, '0')}-${String(plan.group).padStart(5, '0')}`;
}

/**
 * Reads and prepares the wanted pictures of one file, a row group in memory at a time. Row groups whose result is in the
 * store are not read again, so that it can be called as often as need be.
 */
export async function prepareShard(work: ShardWork, deps: ShardDeps): Promise<void> {
  const buckets = bucketsFor(work.config.resolution);
  let shard: Shard | null = null;
  for (const { plan, labels } of work.groups) {
    deps.signal?.throwIfAborted();
    const name = groupName(plan);
    if ((await deps.store.group(name)) !== null) {
      for (let i = 0; i < plan.wanted.length + plan.neighbours.length; i++) deps.onPicture();
      continue;
    }
    shard ??= await openShard(
      await openHubFile({
        hub: deps.hub,
        at: work.source.at,
        path: work.entry.path,
        bytes: work.entry.bytes,
        signal: deps.signal,
      }),
    );
    const pictures = await picturesOf(shard, labels);
    const pack = await deps.store.createPack(name);
    try {
      const result: GroupResult = {
        bytesRead: labels.imageBytes,
        pack: pack.name,
        packBytes: 0,
        candidates: [],
        dropped: [],
      };
      const rows = [
        ...plan.wanted.map((row) => ({ row, kind: 'wanted' as const })),
        ...plan.neighbours.map((row) => ({ row, kind: 'neighbour' as const })),
      ];
      await inFlight(rows, PICTURES_IN_FLIGHT, async ({ row, kind }) => {
        deps.signal?.throwIfAborted();
        const source = sourceOf(plan, row);
        const order = plan.fileIndex * 2 ** 32 + plan.firstRow + row;
        const outcome = Array.isArray(pictures)
          ? await preparePicture(pictures[row] ?? null, work.config, buckets)
          : { ok: false as const, drop: pictures, survey: null };
        if (outcome.ok) {
          const { measures, pixels, bucket, png } = outcome;
          const candidate = {
            source,
            order,
            artist: labels.artists[row] ?? '',
            genre: labels.genres[row] ?? '',
            style: labels.styles[row] ?? '',
            measures,
            pixels,
            bucket: { ...bucket },
          };
          result.candidates.push({ kind, candidate, png: await pack.append(png) });
        } else {
          const thumbnail = await thumbnailOf(outcome.survey, pack);
          result.dropped.push({ kind, source, order, drop: outcome.drop, thumbnail });
        }
        deps.onPicture();
      });
      result.packBytes = await pack.close();
      result.candidates.sort((a, b) => a.candidate.order - b.candidate.order);
      result.dropped.sort((a, b) => a.order - b.order);
      await deps.store.writeJson(`${name}.json`, result);
    } catch (error) {
      await pack.discard().catch(() => undefined);
      throw error;
    }
  }
}

/** A row group's encoded pictures, or why none of them can be read. */
async function picturesOf(shard: Shard, labels: GroupLabels): Promise<(Uint8Array | null)[] | Drop> {
  try {
    return await readPictures(shard, labels);
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
