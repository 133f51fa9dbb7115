import { parseRunConfig } from '../../src/domain/config/run-config.ts';
import { bucketsFor } from '../../src/domain/dataset/buckets.ts';
import { mayBeMirrored } from '../../src/domain/dataset/captions.ts';
import { chooseKept } from '../../src/domain/dataset/filters.ts';
import type { Candidate } from '../../src/domain/dataset/measures.ts';
import { labelDoubts } from '../../src/domain/dataset/style.ts';
import { preparePicture } from '../../src/images/prepare-picture.ts';
import { encodeRow } from '../../src/wikiart/synthetic/encode.ts';
import { ARTIST_NAMES } from '../../src/wikiart/synthetic/labels.ts';
import { DEFECTS, type Defect, type PlannedRow, planRows } from '../../src/wikiart/synthetic/plan.ts';

/** How often something was found, rightly found and planted; `wrong` tells of the rest. */
export interface Score {
  found: number;
  right: number;
  planted: number;
  wrong: string[];
}

/** Reason for which a picture with a planted fault must go; faults without one must be mended, or do no harm. */
export const REASONS: Partial<Record<Defect, string>> = {
  corrupt: 'corrupt',
  truncated: 'corrupt',
  'exact-duplicate': 'exact-duplicate',
  'near-duplicate-reencoded': 'near-duplicate',
  'near-duplicate-cropped': 'near-duplicate',
  'near-duplicate-resized': 'near-duplicate',
  tiny: 'too-small',
  grayscale: 'grayscale',
  blurred: 'blurred',
  lettering: 'text',
  scan: 'scan',
  strip: 'aspect-ratio',
};
/** What must be mended about a picture with a planted fault. */
export const REPAIRS: Partial<Record<Defect, string>> = {
  framed: 'frame',
  'exif-rotated': 'rotated',
  cmyk: 'cmyk',
  alpha: 'alpha',
  'sixteen-bit': '16-bit',
  'color-profile': 'icc',
};

interface Outcome {
  row: PlannedRow;
  candidate: Candidate | null;
  reason: string | null;
}

/** Paints pictures with every kind of fault planted, prepares the wanted style and scores what was found by what is true. */
export async function measureDefects(p: {
  seed: number;
  images: number;
}): Promise<{ pictures: number; scores: Map<string, Score> }> {
  const parsed = parseRunConfig({});
  if (!parsed.ok) throw new Error('expected the tiny profile to parse');
  const config = { ...parsed.value.dataset, maxPerArtist: p.images };
  const buckets = bucketsFor(config.resolution);
  const rows = planRows({ ...p, defects: DEFECTS });
  const outcomes: Outcome[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let at = next++; at < rows.length; at = next++) {
      const row = rows[at] as PlannedRow;
      const { bytes } = await encodeRow(row);
      const made = await preparePicture(bytes, config, buckets);
      outcomes.push(
        made.ok
          ? { row, candidate: candidateOf(row, made), reason: null }
          : { row, candidate: null, reason: made.drop.reason },
      );
    }
  };
  await Promise.all([worker(), worker()]);
  outcomes.sort((a, b) => a.row.index - b.row.index);
  const wanted = outcomes.filter(({ row }) => row.style === config.style);
  const candidates = wanted.flatMap(({ candidate }) => (candidate === null ? [] : [candidate]));
  const byOrder = new Map(wanted.map((o) => [o.row.index, o]));
  for (const { candidate, reason } of (await chooseKept(candidates, config, p.seed)).dropped)
    (byOrder.get(candidate.order) as Outcome).reason = reason;
  const scores = new Map<string, Score>();
  scoreReasons(wanted, scores);
  scoreRepairs(wanted, scores);
  scoreSignatures(wanted, scores);
  scoreDoubts(outcomes, config.style, scores);
  return { pictures: rows.length, scores };
}

function candidateOf(
  row: PlannedRow,
  made: Awaited<ReturnType<typeof preparePicture>> & { ok: true },
): Candidate {
  return {
    source: `row ${row.index}`,
    order: row.index,
    artist: ARTIST_NAMES[row.artist] ?? '',
    genre: row.genre,
    style: row.style,
    caption: '',
    measures: made.measures,
    pixels: made.pixels,
    bucket: { ...made.bucket },
  };
}

function scoreOf(scores: Map<string, Score>, name: string): Score {
  const score = scores.get(name) ?? { found: 0, right: 0, planted: 0, wrong: [] };
  scores.set(name, score);
  return score;
}

function scoreReasons(outcomes: readonly Outcome[], scores: Map<string, Score>): void {
  const byIndex = new Map(outcomes.map((o) => [o.row.index, o]));
  const settled = new Set<number>();
  // Of two identical files either may go.
  for (const { row } of outcomes) {
    if (row.defect !== 'exact-duplicate' || row.copyOf === null) continue;
    const pair = [byIndex.get(row.index) as Outcome, byIndex.get(row.copyOf) as Outcome];
    const gone = pair.filter(({ reason }) => reason !== null);
    const score = scoreOf(scores, 'exact-duplicate');
    score.planted += 1;
    score.found += gone.filter(({ reason }) => reason === 'exact-duplicate').length;
    if (gone.length === 1 && gone[0]?.reason === 'exact-duplicate') score.right += 1;
    else score.wrong.push(`rows ${row.copyOf} and ${row.index}: ${gone.map((g) => g.reason).join()}`);
    settled.add(row.index).add(row.copyOf);
  }
  for (const { row, reason } of outcomes) {
    if (settled.has(row.index)) continue;
    const expected = REASONS[row.defect as Defect] ?? null;
    if (expected !== null) scoreOf(scores, expected).planted += 1;
    if (reason !== null) scoreOf(scores, reason).found += 1;
    if (reason === expected && reason !== null) scoreOf(scores, reason).right += 1;
    else if (reason !== expected)
      scoreOf(scores, expected ?? (reason as string)).wrong.push(
        `row ${row.index} (${row.defect ?? 'sound'}, ${row.genre}): expected ${expected}, got ${reason}`,
      );
  }
}

function scoreRepairs(outcomes: readonly Outcome[], scores: Map<string, Score>): void {
  for (const { row, candidate } of outcomes) {
    if (candidate === null) continue;
    const expected = REPAIRS[row.defect as Defect];
    if (expected !== undefined) scoreOf(scores, `mended ${expected}`).planted += 1;
    for (const repair of candidate.measures.repairs) {
      const score = scoreOf(scores, `mended ${repair}`);
      score.found += 1;
      if (repair === expected) score.right += 1;
      else score.wrong.push(`row ${row.index} (${row.defect ?? 'sound'}, ${row.genre}): got ${repair}`);
    }
  }
}

/** A signature found only costs a flip, so that its precision is told, not asked for. */
function scoreSignatures(outcomes: readonly Outcome[], scores: Map<string, Score>): void {
  let [free, kept] = [0, 0];
  for (const { row, candidate } of outcomes) {
    if (candidate === null) continue;
    const mirrored = mayBeMirrored(candidate);
    if (row.defect === 'signature') {
      const score = scoreOf(scores, 'never mirrored');
      score.planted += 1;
      score.found += mirrored ? 0 : 1;
      score.right += mirrored ? 0 : 1;
      if (mirrored) score.wrong.push(`row ${row.index} (${row.genre}): a signature was not seen`);
    } else if (row.defect === null && row.genre !== 'portrait') {
      free += 1;
      kept += candidate.measures.signature ? 0 : 1;
    }
  }
  scoreOf(scores, 'never mirrored').wrong.push(
    `${kept} of ${free} sound pictures without a signature may be mirrored`,
  );
}

function scoreDoubts(outcomes: readonly Outcome[], style: string, scores: Map<string, Score>): void {
  const kept = outcomes.filter(({ reason, candidate }) => reason === null && candidate !== null);
  const pictures = kept.map(({ row, candidate }) => ({
    id: String(row.index),
    style: row.style,
    caption: '',
    features: (candidate as Candidate).measures.style,
  }));
  const doubted = new Set(labelDoubts(pictures, style, 4).map(({ id }) => id));
  const score = scoreOf(scores, 'label doubts');
  for (const { row } of kept) {
    if (row.style !== style) continue;
    const wrong = row.defect === 'mislabeled';
    if (wrong) score.planted += 1;
    if (doubted.has(String(row.index))) score.found += 1;
    if (wrong && doubted.has(String(row.index))) score.right += 1;
    else if (wrong !== doubted.has(String(row.index)))
      score.wrong.push(`row ${row.index}: painted as ${row.paintedStyle}, ${wrong ? 'not ' : ''}doubted`);
  }
}
