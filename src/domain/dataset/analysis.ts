import { z } from 'zod';
import type { RunConfig } from '../config/run-config.ts';
import { gateRules, MARGIN_METRICS } from '../evaluation/gate-rules.ts';
import { Metric } from '../evaluation/report.ts';
import { CommitRef } from '../refs.ts';
import { GpuForecast, impossibleBudget } from '../training/forecast.ts';
import { PromptCoverage } from './prompt-coverage.ts';
import { BorderlineImage, type DatasetManifest, DropReason, Split, SplitProof } from './record.ts';
import { LEAK_BITS } from './split.ts';

/** Counts of values between equally spaced edges; `counts[i]` lies from `edges[i]` to `edges[i + 1]`. */
export const Histogram = z.strictObject({ edges: z.array(z.number()), counts: z.array(z.int()) });
export type Histogram = z.infer<typeof Histogram>;

/** How often each name occurs, most frequent first. */
export const NameCounts = z.array(z.strictObject({ name: z.string(), count: z.int() }));
export type NameCounts = z.infer<typeof NameCounts>;

/** One sentence about a dataset's readiness. */
export const Finding = z.strictObject({
  /** `blocker`: no GPU is touched; `warning`: shown; `note`: for the record. */
  level: z.enum(['blocker', 'warning', 'note']),
  text: z.string(),
});
export type Finding = z.infer<typeof Finding>;

/** `records/analysis.json`: what the training pictures are like and whether a run may start. Test pictures are not looked at. */
export const AnalysisRecord = z.strictObject({
  format: z.literal(1),
  dataset: CommitRef,
  verdict: z.enum(['ready', 'warnings', 'blocked']),
  findings: z.array(Finding),
  images: z.record(Split, z.int()),
  dropped: z.record(DropReason, z.int()),
  /** Of the training pictures. */
  distributions: z.strictObject({
    artist: NameCounts,
    genre: NameCounts,
    caption: NameCounts,
    /** `width×height` of the prepared pictures. */
    bucket: NameCounts,
    /** What was mended on the way in. */
    repair: NameCounts,
    shortSide: Histogram,
    aspect: Histogram,
    chroma: Histogram,
    brightness: Histogram,
    sharpness: Histogram,
    captionWords: Histogram,
  }),
  nearestCrossSplit: z.strictObject({ a: z.string(), b: z.string(), bits: z.int() }).nullable(),
  unseenArtists: z.strictObject({ held_out: z.array(z.string()), test: z.array(z.string()) }),
  training: z.strictObject({
    steps: z.int(),
    /** Pictures per step. */
    effectiveBatch: z.int(),
    /** Times that each training picture is seen. */
    epochs: z.number(),
    checkpoints: z.int(),
  }),
  /** Predicted from the base's shape; null when the base says nothing about it. */
  adapter: z.strictObject({ parameters: z.int(), bytes: z.int(), checkpointBytes: z.int() }).nullable(),
  /** Contact sheets in the record repository. */
  sheets: z.strictObject({
    kept: z.string().nullable(),
    dropped: z.string().nullable(),
    borderline: z.string().nullable().default(null),
  }),
  /** Tokens of the training captions by encoder, and how many captions it cuts off; null: no tokenizer to count with. */
  tokens: z
    .record(
      z.enum(['clip', 't5']),
      z.strictObject({ limit: z.int(), longest: z.int(), cut: z.int(), histogram: Histogram }).nullable(),
    )
    .default({ clip: null, t5: null }),
  /** How far the captions cover the prompts that the model will be judged by. */
  coverage: z.array(PromptCoverage).default([]),
  /** What the training would take by kind of GPU; empty when the base's shape is not known. */
  forecast: z.array(GpuForecast).default([]),
  /** Peak memory of the training on the accelerator, predicted from the base's shape; null: that is not known. */
  vramBytes: z.number().nullable().default(null),
  /** Pictures that deserve another look; label doubts first. The sealed test split is left out. */
  borderline: z.array(BorderlineImage).default([]),
  /** The proof that nothing leaks, as it was checked here once more from the measures; null for older datasets. */
  proof: SplitProof.nullable().default(null),
  /** The base's own pictures of the standard set and scores against this dataset, where an earlier run made them: what the gate compares with. */
  baseline: z
    .strictObject({
      repo: z.string(),
      folder: z.string(),
      painted: z.boolean(),
      scores: z.record(z.string(), Metric).default({}),
    })
    .nullable()
    .default(null),
});
export type AnalysisRecord = z.infer<typeof AnalysisRecord>;

/** A histogram of `bins` equal bins from the smallest to the largest value; no bins for no values. */
export function histogramOf(values: readonly number[], bins = 12): Histogram {
  if (values.length === 0) return { edges: [], counts: [] };
  const low = values.reduce((a, b) => Math.min(a, b));
  const high = values.reduce((a, b) => Math.max(a, b));
  const width = (high - low) / bins || 1;
  const edges = Array.from({ length: bins + 1 }, (_, i) => round(low + i * width));
  const counts = new Array<number>(bins).fill(0);
  for (const value of values) {
    const bin = Math.min(bins - 1, Math.floor((value - low) / width));
    counts[bin] = (counts[bin] as number) + 1;
  }
  return { edges, counts };
}

/** Names with how often they occur, most frequent first, equal ones by name. */
export function countNames(names: readonly string[]): NameCounts {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts]
    .map(([name, count]) => ({ name, count }))
    .sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1));
}

/** What the readiness verdict looks at. */
export interface ReadinessFacts {
  config: RunConfig;
  manifest: DatasetManifest;
  /** Captions of the training pictures. */
  captions: readonly string[];
  /** Training pictures whose short side was below the bucket's, so that they were enlarged. */
  enlarged: number;
  /** Most frequent artist among the training pictures. */
  topArtist: { name: string; count: number } | null;
  epochs: number;
  tokens: AnalysisRecord['tokens'];
  coverage: readonly PromptCoverage[];
  forecast: readonly GpuForecast[];
  borderline: readonly BorderlineImage[];
  /** The closest pair across splits, found again from the measures. */
  nearest: { a: string; b: string; bits: number } | null;
}

const MANY_EPOCHS = 200;
const FEW_EPOCHS = 1;
const MANY_DROPPED = 0.5;
const ONE_HAND = 0.5;

/** Everything that speaks against starting, and what people should know; blockers first. */
export function judgeReadiness(facts: ReadinessFacts): Finding[] {
  const findings = [...blockersOf(facts), ...warningsOf(facts), ...notesOf(facts)];
  return findings;
}

/** Held-out and test pictures without which the evaluation has no figures. */
const MIN_UNSEEN = 3;

/** Whether the gate has a rule that pictures of other styles are needed for. */
function needsNeighbors(config: RunConfig): boolean {
  return gateRules(config).some(({ metric }) => MARGIN_METRICS.has(metric));
}

/** The verdict that findings come to. */
export function verdictOf(findings: readonly Finding[]): AnalysisRecord['verdict'] {
  if (findings.some(({ level }) => level === 'blocker')) return 'blocked';
  return findings.some(({ level }) => level === 'warning') ? 'warnings' : 'ready';
}

function blockersOf({ config, manifest, captions, forecast, nearest }: ReadinessFacts): Finding[] {
  const { dataset } = config;
  const blockers: string[] = [];
  const train = manifest.images.train;
  if (train < dataset.minTrainingImages)
    blockers.push(
      `Expected at least ${dataset.minTrainingImages} training pictures (dataset.minTrainingImages), got ${train}: widen dataset.genres, lower dataset.minShortSide or choose a larger source.`,
    );
  if (dataset.heldOutFraction > 0 && manifest.images.held_out === 0)
    blockers.push('Expected held-out pictures, got none: the held-out loss and the metrics need them.');
  const unseen = manifest.images.held_out + manifest.images.test;
  if (unseen > 0 && unseen < MIN_UNSEEN)
    blockers.push(
      `Expected at least ${MIN_UNSEEN} held-out and test pictures, which all figures of the gate rest on, got ${unseen}: raise dataset.heldOutFraction or add pictures.`,
    );
  if (manifest.images.neighbors === 0 && needsNeighbors(config))
    blockers.push(
      'Expected pictures of other styles, got none: the gate asks for the style margin, which compares with them. Name a dataset that has some (dataset.reference), or have the gate do without (dataset.neighborsPerStyle=0).',
    );
  if (nearest !== null && nearest.bits <= LEAK_BITS)
    blockers.push(
      `Expected no two splits to share near-duplicates (more than ${LEAK_BITS} of 64 bits apart), got ${nearest.bits} bits between ${nearest.a} and ${nearest.b}: a leak.`,
    );
  const empty = captions.filter((caption) => caption.trim() === '').length;
  if (empty > 0) blockers.push(`Expected a caption for every training picture, got ${empty} empty ones.`);
  const lacking = captions.filter((caption) => !caption.includes(dataset.trigger)).length;
  if (lacking > 0)
    blockers.push(
      `Expected the trigger phrase "${dataset.trigger}" in every caption, got ${lacking} without it.`,
    );
  const budget = forecast.length === 0 ? null : impossibleBudget(forecast, config.budget);
  if (budget !== null) blockers.push(budget);
  return blockers.map((text) => ({ level: 'blocker', text }));
}

function warningsOf(facts: ReadinessFacts): Finding[] {
  const { config, manifest, enlarged, topArtist, epochs } = facts;
  const { images } = manifest;
  const warnings: string[] = contentWarnings(facts);
  if (epochs > MANY_EPOCHS)
    warnings.push(
      `Each training picture is seen ${Math.round(epochs)} times: the adapter may learn pictures by heart; fewer training.steps would do.`,
    );
  if (epochs < FEW_EPOCHS)
    warnings.push(
      `Only ${Math.round(epochs * 100)} % of the training pictures are seen at all in ${config.training.steps} steps.`,
    );
  if (enlarged > images.train * 0.1)
    warnings.push(
      `${enlarged} of ${images.train} training pictures are smaller than their bucket and were enlarged: lower dataset.resolution or raise dataset.minShortSide.`,
    );
  const ownNeighbors = manifest.reference === undefined ? images.neighbors : 0;
  const wanted = manifest.rows - (manifest.dropped['other-style'] ?? 0) - ownNeighbors;
  const cleaned =
    wanted - images.train - images.held_out - images.test - (manifest.dropped['other-genre'] ?? 0);
  if (wanted > 0 && cleaned > wanted * MANY_DROPPED)
    warnings.push(`${cleaned} of ${wanted} pictures of the style were left out: see preview/dropped.png.`);
  if (topArtist !== null && topArtist.count > images.train * ONE_HAND)
    warnings.push(
      `${topArtist.count} of ${images.train} training pictures are by ${topArtist.name}: the adapter may learn one hand; lower dataset.maxPerArtist.`,
    );
  if (config.dataset.testFraction > 0 && images.test === 0)
    warnings.push('No picture is left for the sealed test split.');
  if (images.neighbors === 0)
    warnings.push(
      'No picture of another style is there: whether the style is met better than any other is not judged, and the verdict says so.',
    );
  return warnings.map((text) => ({ level: 'warning', text }));
}

const MANY_DOUBTS = 0.05;
/** Part of the captions from the genre from which on a captioner is of little use. */
const MANY_FROM_GENRE = 0.1;

function contentWarnings({ manifest, tokens, coverage, borderline }: ReadinessFacts): string[] {
  const warnings: string[] = [];
  for (const [encoder, name] of [
    ['clip', 'CLIP'],
    ['t5', 'T5'],
  ] as const) {
    const counted = tokens[encoder];
    if (counted !== null && counted.cut > 0)
      warnings.push(
        `${counted.cut} captions are longer than the ${counted.limit} tokens that ${name} reads (the longest has ${counted.longest}): their end is cut off.`,
      );
  }
  const written = manifest.captions;
  const captions = written === undefined ? 0 : written.own + written.described + written.fromGenre;
  if (written !== undefined && written.fromGenre > captions * MANY_FROM_GENRE)
    warnings.push(
      written.model === null
        ? `${written.fromGenre} of ${captions} pictures have no caption of their own and get one from the genre: write one beside each, or set dataset.captioner.`
        : `${written.fromGenre} of ${captions} captions come from the genre, because ${written.model.repo} spoke of nothing but style: try another dataset.captioner.`,
    );
  const doubts = borderline.filter(({ doubt }) => doubt === 'label').length;
  if (doubts > manifest.images.train * MANY_DOUBTS)
    warnings.push(
      `${doubts} pictures look more like another style than like their label: see preview/borderline.png.`,
    );
  const strange = coverage.filter(({ pictures }) => pictures === 0).length;
  if (coverage.length > 0 && strange > coverage.length / 2)
    warnings.push(
      `${strange} of ${coverage.length} prompts that the model is judged by share no word with any caption: captions from the genre say little.`,
    );
  return warnings;
}

function notesOf({ manifest, epochs, config }: ReadinessFacts): Finding[] {
  const { images, nearestCrossSplit: nearest, unseenArtists } = manifest;
  const notes = [
    `${images.train} training, ${images.held_out} held-out and ${images.test} sealed test pictures, ${images.neighbors} of other styles.`,
    `Each training picture is seen ${epochs.toFixed(1)} times in ${config.training.steps} steps.`,
    nearest === null
      ? 'No pair of pictures across splits is close, as far as 64-bit hashes can see.'
      : `The closest pictures across splits are ${nearest.bits} of 64 bits apart, as far as such hashes can see.`,
    captionNote(manifest),
    `${unseenArtists.held_out.length} artists are held out whole, ${unseenArtists.test.length} are in the test split only.`,
  ];
  return notes.map((text) => ({ level: 'note', text }));
}

function captionNote({ captions }: DatasetManifest): string {
  if (captions === undefined) return 'Captions come from the genre.';
  const { own, model, described, cleaned } = captions;
  const parts = [
    ...(own > 0 ? [`${own} captions are the source's own`] : []),
    ...(model !== null ? [`${described} captions are by ${model.repo}`] : []),
    ...(cleaned > 0 ? [`words of style were taken out of ${cleaned}`] : []),
  ];
  return `${parts.join('; ')}.`;
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
