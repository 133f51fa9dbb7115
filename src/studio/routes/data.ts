import type { Hono } from 'hono';
import { z } from 'zod';
import { BorderlineImage, DatasetManifest, DroppedImage, SplitProof } from '../../domain/dataset/record.ts';
import { CommitRef } from '../../domain/refs.ts';
import type { Hub } from '../../hub/hub.ts';
import { jsonOrNull } from '../../hub/verified-json.ts';
import { readDatasetRows } from '../../wikiart/dataset-rows.ts';
import { needs, type StudioEnv } from '../access/guard.ts';
import type { Feeds } from '../live/feed.ts';
import type { StoredRun } from '../live/run-records.ts';
import type { RunView } from '../live/run-view.ts';
import type { Sources } from '../live/source.ts';
import { type DataPageView, dataPage } from '../pages/data-page.ts';

/** Lines of each list that a page shows. */
const MAX_LINES = 200;

/** Adds the page about the pictures that a run learns from. */
export function addDataRoutes(app: Hono<StudioEnv>, { hub }: Sources, runs: Feeds<RunView>): void {
  app.get('/runs/:run/data', needs('look'), async (c) => {
    const run = c.req.param('run');
    const { stored } = await runs.of(run).now();
    if (stored?.record == null) return c.text('Nothing is known of the pictures of this run yet\n', 404);
    return c.html(dataPage(run, await readData(hub, stored), c.get('role')));
  });
}

const Analyzed = z.object({ dataset: CommitRef });

async function readData(hub: Hub, stored: StoredRun): Promise<DataPageView> {
  const { record, repos, sheets, summary } = stored;
  const analysis = record === null ? null : await hub.read(repos.record, record, 'records/analysis.json');
  const dataset =
    summary?.dataset?.dataset ??
    (analysis === null ? null : (Analyzed.safeParse(jsonOrNull(analysis)).data?.dataset ?? null));
  const view = { record, sheets };
  if (dataset === null)
    return { ...view, dataset, manifest: null, proof: null, dropped: [], borderline: [], captions: [] };
  const read = (path: string) => hub.read(dataset, dataset.commit, path);
  const [manifest, proof, dropped, borderline, rows] = await Promise.all([
    read('manifest.json'),
    read('proof.json'),
    read('dropped.jsonl'),
    read('borderline.jsonl'),
    // The sealed test split is nobody's to look at before the gate.
    readDatasetRows({ hub, dataset, split: 'train' }).catch(() => []),
  ]);
  return {
    ...{ ...view, dataset },
    manifest: parsed(DatasetManifest, manifest),
    proof: parsed(SplitProof, proof),
    dropped: linesOf(DroppedImage, dropped),
    borderline: linesOf(BorderlineImage, borderline).filter(({ split }) => split !== 'test'),
    captions: rows.slice(0, MAX_LINES),
  };
}

function parsed<S extends z.ZodType>(schema: S, bytes: Buffer | null): z.output<S> | null {
  return bytes === null ? null : (schema.safeParse(jsonOrNull(bytes)).data ?? null);
}

/** The first lines of a JSON-lines file; what is none is left out. */
function linesOf<S extends z.ZodType>(schema: S, bytes: Buffer | null): z.output<S>[] {
  const lines = (bytes?.toString('utf8') ?? '').split('\n').slice(0, MAX_LINES);
  return lines.flatMap((line) => parsed(schema, line === '' ? null : Buffer.from(line)) ?? []);
}
