import { z } from 'zod';
import type { Evaluation, GateDecision } from '../../domain/evaluation/decision.ts';
import { nameOf, type RuleOutcome, Verdict } from '../../domain/evaluation/gate.ts';
import { EvaluationReport, type Metric } from '../../domain/evaluation/report.ts';
import type { FileRef } from '../../domain/refs.ts';
import type { Hub } from '../../hub/hub.ts';
import { readVerifiedBytes } from '../../hub/verified-json.ts';
import type { ClosestPair, GateRow, RunRecords, SampleRow } from './run-records.ts';

/** The part of a run's records that evaluation and gate wrote. */
export type EvaluationRecords = Pick<
  RunRecords,
  'gate' | 'standing' | 'informative' | 'problems' | 'omitted' | 'slices' | 'encoder' | 'samples' | 'closest'
>;

/** How many standard samples are shown; the rest stays in the record repository. */
export interface Shown {
  prompts: number;
  seeds: number;
}

/** `samples.json` of an evaluation: every standard sample in the set's order. */
export const StoredSamples = z.array(
  z.object({ id: z.string(), prompt: z.string(), seed: z.int(), promptId: z.string(), genre: z.string() }),
);
export type StoredSamples = z.infer<typeof StoredSamples>;
type StoredSample = StoredSamples[number];

/** Rules with figures, standard samples and closest training pictures, as evaluation and gate stored them. */
export async function readEvaluationRecords(
  hub: Hub,
  p: {
    evaluation: Evaluation;
    gate: GateDecision | null;
    /** The verdict itself, where it is not stored yet. */
    verdict?: Verdict;
    shown: Shown;
    closest: number;
  },
): Promise<EvaluationRecords> {
  const { evaluation } = p;
  const report = parse(EvaluationReport, await readVerifiedBytes(hub, evaluation.report));
  const verdict =
    p.verdict ?? (p.gate === null ? null : parse(Verdict, await readVerifiedBytes(hub, p.gate.record)));
  const ruled = new Set(verdict?.rules.map(nameOf));
  const production = report?.comparisons?.some(({ name }) => name === 'production') ?? false;
  const files = folderOf(hub, evaluation.report);
  return {
    gate: verdict?.rules.map(gateRow) ?? [],
    ...(verdict?.standing === undefined ? {} : { standing: verdict.standing }),
    informative: Object.entries(report?.metrics ?? {})
      .filter(([name]) => !ruled.has(name))
      .map(([name, metric]) => informativeRow(name, metric)),
    problems: verdict?.problems ?? [],
    omitted: report?.omitted ?? [],
    slices: (report?.slices ?? []).map((s) => ({
      slice: s.genre,
      metrics: Object.fromEntries(Object.entries(s.metrics).map(([name, m]) => [name, m.estimate])),
      gain: s.metrics['style.marginGain'] ?? null,
    })),
    encoder: report === null ? null : `${report.encoder.name} (${report.encoder.package})`,
    samples: await readSamples(files, p.shown, production),
    closest: await readClosest(files, report, p.closest),
  };
}

type Read = (path: string) => Promise<Buffer | null>;

/** Reads a file of the evaluation's own folder at the evaluation's own commit. */
function folderOf(hub: Hub, report: FileRef): Read {
  const folder = report.path.slice(0, report.path.lastIndexOf('/') + 1);
  const repo = { type: report.type, repo: report.repo };
  return (path) => hub.read(repo, report.commit, `${folder}${path}`);
}

/** A rule as people read it. */
export function gateRow(rule: RuleOutcome): GateRow {
  return {
    metric: nameOf(rule),
    low: rule.low,
    value: rule.estimate,
    high: rule.high,
    must: rule.must,
    threshold: rule.threshold,
    holds: rule.outcome === 'inconclusive' ? null : rule.outcome === 'pass',
    note: rule.sentence,
  };
}

function informativeRow(metric: string, m: Metric): GateRow {
  return {
    metric,
    low: m.low,
    value: m.estimate,
    high: m.high,
    must: null,
    threshold: null,
    holds: null,
    note: m.method,
  };
}

async function readSamples(read: Read, shown: Shown, production: boolean): Promise<SampleRow[]> {
  const listed = parse(StoredSamples, await read('samples.json')) ?? [];
  const byPrompt = groupBy(listed, (sample) => sample.promptId);
  const rows = spread([...byPrompt.values()], shown.prompts);
  return Promise.all(
    rows.map(async (samples) => ({
      promptId: samples[0]?.promptId ?? '',
      prompt: samples[0]?.prompt ?? '',
      slice: samples[0]?.genre ?? '',
      pairs: await Promise.all(
        samples.slice(0, shown.seeds).map(async ({ id, seed }) => ({
          id,
          seed,
          base: await read(`base/${id}.png`),
          candidate: await read(`candidate/${id}.png`),
          ...(production ? { production: await read(`rivals/production/${id}.png`) } : {}),
        })),
      ),
    })),
  );
}

/** At most `most` prompts, taken in turn from every slice, in the set's order. */
function spread(prompts: StoredSample[][], most: number): StoredSample[][] {
  if (prompts.length <= most) return prompts;
  const slices = [...groupBy(prompts, (samples) => samples[0]?.genre ?? '').values()];
  const chosen = new Set<StoredSample[]>();
  for (let round = 0; chosen.size < most; round++)
    for (const slice of slices) {
      const prompt = slice[round];
      if (prompt !== undefined && chosen.size < most) chosen.add(prompt);
    }
  return prompts.filter((prompt) => chosen.has(prompt));
}

function groupBy<T>(items: T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(key(item), [...(groups.get(key(item)) ?? []), item]);
  return groups;
}

async function readClosest(
  read: Read,
  report: EvaluationReport | null,
  most: number,
): Promise<ClosestPair[]> {
  return Promise.all(
    (report?.closest ?? []).slice(0, most).map(async (pair) => ({
      sampleId: pair.sample,
      trainingId: pair.train,
      cosine: pair.trainCosine,
      unseenCosine: pair.unseenCosine,
      path: pair.picture,
      picture: await read(pair.picture),
    })),
  );
}

/** Documents are written for runs that went wrong, too: what cannot be read is left out, not thrown. */
function parse<S extends z.ZodType>(schema: S, bytes: Buffer | null): z.output<S> | null {
  if (bytes === null) return null;
  try {
    return schema.safeParse(JSON.parse(bytes.toString('utf8'))).data ?? null;
  } catch {
    return null;
  }
}
