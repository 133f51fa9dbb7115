import type { Analysis, PipelineActivities, RunContext } from '../domain/activities.ts';
import {
  type AnalysisRecord,
  countNames,
  histogramOf,
  judgeReadiness,
  verdictOf,
} from '../domain/dataset-analysis.ts';
import { DatasetManifest, type DatasetRow, MeasuredImage } from '../domain/dataset-record.ts';
import { PipelineError } from '../domain/errors.ts';
import { checkpointBytes, loraParameters, TransformerShape } from '../domain/lora-size.ts';
import { type CommitRef, FileRef, type RepoRef } from '../domain/refs.ts';
import { sha256Of } from '../hub/hashing.ts';
import type { Hub } from '../hub/hub.ts';
import { parseJson } from '../hub/verified-json.ts';
import { readDatasetRows } from '../wikiart/dataset-rows.ts';

/** Where the analysis lies in a record repository, and its contact sheets. */
export const ANALYSIS_RECORD = 'records/analysis.json';
export const KEPT_SHEET = 'records/kept.png';
export const DROPPED_SHEET = 'records/dropped.png';

export interface AnalyseDeps {
  hub: Hub;
  /** Called when a part is read; default: nothing. */
  heartbeat?: (stage: string) => void;
}

/** Makes the `analyse` activity: looks at a prepared dataset, decides whether training may start, and records why. */
export function createAnalyse({
  hub,
  heartbeat = () => undefined,
}: AnalyseDeps): PipelineActivities['analyse'] {
  return async ({ context, dataset: { dataset } }) => {
    const manifest = await readJson(hub, dataset, 'manifest.json', DatasetManifest);
    heartbeat('manifest');
    const rows = await readDatasetRows({ hub, dataset, split: 'train' });
    heartbeat('columns');
    const measures = await readMeasures(hub, dataset);
    heartbeat('measures');
    const [kept, dropped] = await Promise.all([
      hub.read(dataset, dataset.commit, 'preview/kept.png'),
      hub.read(dataset, dataset.commit, 'preview/dropped.png'),
    ]);
    const record = analysisOf({
      context,
      dataset,
      manifest,
      rows,
      measures,
      shape: await shapeOf(hub, context.base),
      sheets: {
        kept: kept === null ? null : KEPT_SHEET,
        dropped: dropped === null ? null : DROPPED_SHEET,
      },
    });
    return publish({ hub, context, record, kept, dropped });
  };
}

/** Everything that an analysis is computed from. */
export interface AnalysisInput {
  context: RunContext;
  dataset: CommitRef;
  manifest: DatasetManifest;
  /** Training rows, without pictures. */
  rows: readonly DatasetRow[];
  /** Measures of every kept picture, by id. */
  measures: ReadonlyMap<string, MeasuredImage>;
  shape: TransformerShape | null;
  sheets: AnalysisRecord['sheets'];
}

/** The analysis of a prepared dataset for a run; the same input gives the same record. */
export function analysisOf(input: AnalysisInput): AnalysisRecord {
  const { context, manifest, rows, shape } = input;
  const { training } = context.config;
  const measured = rows.map((row) => {
    const measure = input.measures.get(row.id);
    if (measure === undefined)
      throw new PipelineError(
        'BadData',
        `Expected measures of picture ${row.id} in measures.jsonl of ${input.dataset.repo}, got none: prepare again`,
      );
    return measure;
  });
  const artist = countNames(rows.map((row) => row.artist));
  const effectiveBatch = training.batchSize * training.accumulation;
  const epochs = rows.length === 0 ? 0 : (training.steps * effectiveBatch) / rows.length;
  const enlarged = rows.filter(
    (row, at) => (measured[at] as MeasuredImage).shortSide < Math.min(row.width, row.height),
  );
  const findings = judgeReadiness({
    config: context.config,
    manifest,
    captions: rows.map((row) => row.caption),
    enlarged: enlarged.length,
    topArtist: artist[0] ?? null,
    epochs,
  });
  const values = (of: (m: MeasuredImage) => number) => histogramOf(measured.map(of));
  const parameters = shape === null ? null : loraParameters(shape, training);
  return {
    format: 1,
    dataset: input.dataset,
    verdict: verdictOf(findings),
    findings,
    images: manifest.images,
    dropped: manifest.dropped,
    distributions: {
      artist,
      genre: countNames(rows.map((row) => row.genre)),
      caption: countNames(rows.map((row) => row.caption)),
      bucket: countNames(rows.map((row) => `${row.width}×${row.height}`)),
      repair: countNames(measured.flatMap((m) => m.repairs)),
      shortSide: values((m) => m.shortSide),
      aspect: values((m) => m.aspect),
      chroma: values((m) => m.chroma),
      brightness: values((m) => m.brightness),
      sharpness: values((m) => m.sharpness),
      captionWords: histogramOf(rows.map((row) => row.caption.split(/\s+/).length)),
    },
    nearestCrossSplit: manifest.nearestCrossSplit,
    unseenArtists: manifest.unseenArtists,
    training: {
      steps: training.steps,
      effectiveBatch,
      epochs: Math.round(epochs * 100) / 100,
      checkpoints: Math.ceil(training.steps / training.checkpointEvery),
    },
    adapter:
      parameters === null
        ? null
        : { parameters, bytes: parameters * 4, checkpointBytes: checkpointBytes(parameters, training) },
    sheets: input.sheets,
  };
}

async function publish(p: {
  hub: Hub;
  context: RunContext;
  record: AnalysisRecord;
  kept: Buffer | null;
  dropped: Buffer | null;
}): Promise<Analysis> {
  const { hub, context, record, kept, dropped } = p;
  const repo: RepoRef = { type: 'dataset', repo: context.repos.record };
  const content = Buffer.from(`${JSON.stringify(record, null, 2)}\n`);
  const sha256 = sha256Of(content);
  const answer = (commit: FileRef['commit'], cached: boolean): Analysis => ({
    verdict: record.verdict,
    reasons: record.findings.map(({ text }) => text),
    record: FileRef.parse({ ...repo, commit, path: ANALYSIS_RECORD, sha256 }),
    cached,
  });
  const head = await hub.resolve(repo);
  if (head !== null) {
    const known = await hub.read(repo, head, ANALYSIS_RECORD);
    if (known !== null && sha256Of(known) === sha256) return answer(head, true);
  }
  await hub.ensureRepo(repo, { private: true });
  const files: { path: string; content: Buffer }[] = [{ path: ANALYSIS_RECORD, content }];
  if (kept !== null) files.push({ path: KEPT_SHEET, content: kept });
  if (dropped !== null) files.push({ path: DROPPED_SHEET, content: dropped });
  const commit = await hub.commit({ repo, message: `Analyse the dataset: ${record.verdict}`, files });
  return answer(commit, false);
}

async function readMeasures(hub: Hub, dataset: CommitRef): Promise<Map<string, MeasuredImage>> {
  const text = await readText(hub, dataset, 'measures.jsonl');
  const measures = new Map<string, MeasuredImage>();
  for (const [at, line] of text.split('\n').entries()) {
    if (line === '') continue;
    const measure = parseJson(line, MeasuredImage, `${dataset.repo}/measures.jsonl, line ${at + 1}`);
    measures.set(measure.id, measure);
  }
  return measures;
}

async function readJson<S extends typeof DatasetManifest>(hub: Hub, at: CommitRef, path: string, schema: S) {
  return parseJson(await readText(hub, at, path), schema, `${at.repo}/${path}`);
}

async function readText(hub: Hub, at: CommitRef, path: string): Promise<string> {
  const bytes = await hub.read(at, at.commit, path);
  if (bytes === null)
    throw new PipelineError(
      'BadData',
      `Expected ${path} in the prepared dataset ${at.repo} at ${at.commit}, got none: run the prepare phase again`,
    );
  return bytes.toString('utf8');
}

/** Shape of the base's transformer; null when it has no readable `transformer/config.json`. */
async function shapeOf(hub: Hub, base: CommitRef): Promise<TransformerShape | null> {
  const bytes = await hub.read(base, base.commit, 'transformer/config.json');
  if (bytes === null) return null;
  try {
    const parsed = TransformerShape.safeParse(JSON.parse(bytes.toString('utf8')));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
