import type { z } from 'zod';
import {
  type AnalysisRecord,
  countNames,
  histogramOf,
  judgeReadiness,
  verdictOf,
} from '../../domain/dataset/analysis.ts';
import type { Analysis } from '../../domain/dataset/analysis-result.ts';
import { isUnknownArtist } from '../../domain/dataset/labels.ts';
import { promptCoverage } from '../../domain/dataset/prompt-coverage.ts';
import {
  BorderlineImage,
  DatasetManifest,
  type DatasetRow,
  MeasuredImage,
  SplitProof,
} from '../../domain/dataset/record.ts';
import { nearestCrossSplit } from '../../domain/dataset/split.ts';
import { PipelineError } from '../../domain/errors.ts';
import { gateReference } from '../../domain/evaluation/gate-rules.ts';
import { PROMPT_SETS } from '../../domain/evaluation/sample-set.ts';
import { type CommitRef, FileRef, type RepoRef } from '../../domain/refs.ts';
import type { PipelineActivities } from '../../domain/run/activities.ts';
import type { RunContext } from '../../domain/run/context.ts';
import { forecastRun } from '../../domain/training/forecast.ts';
import { TransformerShape } from '../../domain/training/lora-size.ts';
import { trainingNeeds } from '../../domain/training/needs.ts';
import { viewsOf, type WorkFacts } from '../../domain/training/work.ts';
import { sha256Of } from '../../hub/hashing.ts';
import type { Hub } from '../../hub/hub.ts';
import { parseJson } from '../../hub/verified-json.ts';
import { analysisReport } from '../../reports/pages/analysis-report.ts';
import {
  type TextEncoder,
  TOKEN_LIMITS,
  type TokenCounters,
  tokenCounters,
} from '../../wikiart/caption-tokens.ts';
import { readDatasetRows } from '../../wikiart/dataset-rows.ts';
import { runSamples } from '../evaluate/cache-key.ts';
import { readBaseScores, sharedSamples } from '../evaluate/shared-samples.ts';

/** Where the analysis lies in a record repository, and its contact sheets. */
export const ANALYSIS_RECORD = 'records/analysis.json';
export const KEPT_SHEET = 'records/kept.png';
export const DROPPED_SHEET = 'records/dropped.png';
export const BORDERLINE_SHEET = 'records/borderline.png';
/** Folder of the report for people: `index.html`, `report.md`, `plots/`. */
export const ANALYSIS_FOLDER = 'analysis';

/** Captions that a record lists. */
const CAPTIONS_LISTED = 100;

export interface AnalyzeDeps {
  hub: Hub;
  /** Called when a part is read; default: nothing. */
  heartbeat?: (stage: string) => void;
}

/** Makes the `analyze` activity: looks at a prepared dataset, decides whether training may start, and records why. */
export function createAnalyze({
  hub,
  heartbeat = () => undefined,
}: AnalyzeDeps): PipelineActivities['analyze'] {
  return async ({ context, dataset: { dataset } }) => {
    const manifest = await readJson(hub, dataset, 'manifest.json', DatasetManifest);
    heartbeat('manifest');
    const rows = await readDatasetRows({ hub, dataset, split: 'train' });
    heartbeat('columns');
    const measures = await readMeasures(hub, dataset);
    heartbeat('measures');
    const sheets = await readSheets(hub, dataset);
    const shape = await shapeOf(hub, context.base);
    const record = analysisOf({
      context,
      dataset,
      manifest,
      rows,
      measures,
      shape,
      sheets: {
        kept: sheets.has(KEPT_SHEET) ? KEPT_SHEET : null,
        dropped: sheets.has(DROPPED_SHEET) ? DROPPED_SHEET : null,
        borderline: sheets.has(BORDERLINE_SHEET) ? BORDERLINE_SHEET : null,
      },
      counters: await tokenCounters(hub, context.base),
      borderline: await readLines(hub, dataset, 'borderline.jsonl', BorderlineImage),
      proof: await readProof(hub, dataset),
      baseline: await baselineOf(hub, context, dataset),
    });
    heartbeat('record');
    return publish({ hub, context, record, sheets });
  };
}

async function readSheets(hub: Hub, dataset: CommitRef): Promise<Map<string, Buffer>> {
  const found = new Map<string, Buffer>();
  for (const [path, from] of [
    [KEPT_SHEET, 'preview/kept.png'],
    [DROPPED_SHEET, 'preview/dropped.png'],
    [BORDERLINE_SHEET, 'preview/borderline.png'],
  ] as const) {
    const bytes = await hub.read(dataset, dataset.commit, from);
    if (bytes !== null) found.set(path, bytes);
  }
  return found;
}

/** The base's own pictures of the run's sample set and its scores against this dataset, where an earlier run made them. */
async function baselineOf(
  hub: Hub,
  context: RunContext,
  dataset: CommitRef,
): Promise<AnalysisRecord['baseline']> {
  const shared = sharedSamples(context, runSamples(context).sha256);
  const commit = await hub.resolve(shared.repo);
  const painted = commit !== null && (await hub.list(shared.repo, commit, shared.folder)).length > 0;
  const scores = painted ? await readBaseScores({ hub, shared, commit, dataset: dataset.commit }) : null;
  return { repo: shared.repo.repo, folder: shared.folder, painted, scores: scores?.metrics ?? {} };
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
  counters: TokenCounters;
  borderline: readonly BorderlineImage[];
  proof: SplitProof | null;
  baseline: AnalysisRecord['baseline'];
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
  const captions = rows.map((row) => row.caption);
  const tokens = {
    clip: tokensOf(captions, input.counters, 'clip'),
    t5: tokensOf(captions, input.counters, 't5'),
  };
  const { evaluation, dataset: wanted } = context.config;
  const coverage = promptCoverage(
    PROMPT_SETS[evaluation.promptSet].map(({ text }) => text),
    captions,
    wanted.trigger,
  );
  const needs = shape === null ? null : trainingNeeds(shape, training, wanted.resolution);
  const forecasts =
    needs === null || shape === null
      ? []
      : forecastRun(
          { shape, config: context.config, vramBytes: needs.vramBytes },
          workFacts(input, measured),
        );
  const borderline = input.borderline.filter(({ split }) => split !== 'test');
  const findings = judgeReadiness({
    config: context.config,
    manifest,
    captions,
    tokens,
    coverage,
    forecast: forecasts,
    borderline,
    nearest: nearestCrossSplit([...input.measures.values()]),
    enlarged: enlarged.length,
    topArtist: artist.find(({ name }) => !isUnknownArtist(name)) ?? null,
    epochs,
  });
  const values = (of: (m: MeasuredImage) => number) => histogramOf(measured.map(of));
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
      // A model says something else of every picture: the most frequent tell as much as all of them.
      caption: countNames(captions).slice(0, CAPTIONS_LISTED),
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
      needs === null
        ? null
        : {
            parameters: needs.loraParameters,
            bytes: needs.loraParameters * 4,
            checkpointBytes: needs.checkpointBytes,
          },
    sheets: input.sheets,
    tokens,
    coverage,
    forecast: forecasts,
    vramBytes: needs?.vramBytes ?? null,
    borderline,
    proof: input.proof,
    baseline: input.baseline,
  };
}

/** What a forecast takes from the dataset. */
function workFacts(input: AnalysisInput, measured: readonly (MeasuredImage | undefined)[]): WorkFacts {
  const { rows, manifest, context } = input;
  const views = rows.map((row, at) =>
    viewsOf(
      { ...row, aspect: measured[at]?.aspect ?? row.width / row.height, flipAllowed: row.flip_allowed },
      context.config,
    ),
  );
  return {
    train: rows.length,
    heldOut: manifest.images.held_out,
    unseen: manifest.images[gateReference(context.config)],
    neighbors: manifest.images.neighbors,
    captions: new Set(rows.map(({ caption }) => caption)).size,
    views: rows.length === 0 ? 1 : views.reduce((sum, one) => sum + one, 0) / rows.length,
    basePainted: input.baseline?.painted === true,
  };
}

function tokensOf(
  captions: readonly string[],
  counters: TokenCounters,
  encoder: TextEncoder,
): AnalysisRecord['tokens']['clip'] {
  const count = counters[encoder];
  if (count === null) return null;
  const lengths = new Map([...new Set(captions)].map((caption) => [caption, count(caption)]));
  const all = captions.map((caption) => lengths.get(caption) ?? 0);
  const limit = TOKEN_LIMITS[encoder];
  return {
    limit,
    longest: all.reduce((a, b) => Math.max(a, b), 0),
    cut: all.filter((length) => length > limit).length,
    histogram: histogramOf(all),
  };
}

async function publish(p: {
  hub: Hub;
  context: RunContext;
  record: AnalysisRecord;
  sheets: ReadonlyMap<string, Buffer>;
}): Promise<Analysis> {
  const { hub, context, record, sheets } = p;
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
  const report = await analysisReport(record, sheets);
  const commit = await hub.commit({
    repo,
    message: `Analyze the dataset: ${record.verdict}`,
    files: [
      { path: ANALYSIS_RECORD, content },
      ...[...sheets].map(([path, bytes]) => ({ path, content: bytes })),
      ...report.map((file) => ({ path: `${ANALYSIS_FOLDER}/${file.path}`, content: file.content })),
    ],
  });
  return answer(commit, false);
}

/** Lines of a JSON-lines file; none where an older dataset has no such file. */
async function readLines<S extends z.ZodType>(
  hub: Hub,
  dataset: CommitRef,
  path: string,
  schema: S,
): Promise<z.output<S>[]> {
  const text = (await hub.read(dataset, dataset.commit, path))?.toString('utf8') ?? '';
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line, at) => parseJson(line, schema, `${dataset.repo}/${path}, line ${at + 1}`));
}

async function readProof(hub: Hub, dataset: CommitRef): Promise<SplitProof | null> {
  const bytes = await hub.read(dataset, dataset.commit, 'proof.json');
  return bytes === null ? null : parseJson(bytes, SplitProof, `${dataset.repo}/proof.json`);
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
