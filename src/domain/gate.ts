import { z } from 'zod';
import { EvaluationReport, type Metric } from './evaluation-report.ts';
import { GateRule } from './gate-config.ts';
import { Sha256 } from './refs.ts';

/** How one rule came out; `sentence` is for people. */
export const RuleOutcome = GateRule.extend({
  estimate: z.number().nullable(),
  low: z.number().nullable(),
  high: z.number().nullable(),
  outcome: z.enum(['pass', 'fail', 'inconclusive']),
  sentence: z.string(),
});
export type RuleOutcome = z.infer<typeof RuleOutcome>;

/** `evaluation/verdict.json`: the verdict, every rule behind it, and exactly what was judged. */
export const Verdict = z.strictObject({
  format: z.literal(1),
  verdict: z.enum(['PASS', 'FAIL', 'INCONCLUSIVE']),
  /** One-sided confidence of every bound. */
  confidence: z.number(),
  rules: z.array(RuleOutcome),
  /** Why the report itself cannot be trusted; none of them is ever a PASS. */
  problems: z.array(z.string()),
  /** The adapter that was judged, and so the only one that may be released. */
  adapterSha256: Sha256,
  /** The report that was judged. */
  reportSha256: Sha256,
  sampleSetSha256: Sha256,
});
export type Verdict = z.infer<typeof Verdict>;

/** What the report must be about for its figures to count. */
export interface Expected {
  /** sha256 of the report's own bytes. */
  reportSha256: Sha256;
  /** The exported adapter that would be released. */
  adapterSha256: Sha256;
  sampleSetSha256: Sha256;
  /** Pictures in the set. */
  samples: number;
  encoder: string;
}

/**
 * The gate, failing closed. PASS: every rule's bound holds. FAIL: a rule's whole interval is on the wrong side, a figure
 * is missing, or the report is not about what is expected. INCONCLUSIVE: all else; more samples might decide.
 */
export function decide(p: {
  /** The report as read; anything but a valid `EvaluationReport` fails. */
  report: unknown;
  rules: readonly GateRule[];
  /** One-sided. */
  confidence: number;
  expected: Expected;
}): Verdict {
  const { expected, confidence } = p;
  const about = {
    confidence,
    adapterSha256: expected.adapterSha256,
    reportSha256: expected.reportSha256,
    sampleSetSha256: expected.sampleSetSha256,
  };
  const parsed = EvaluationReport.safeParse(p.report);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const where = issue?.path.map(String).join('.') ?? '';
    const problem = `The report is not a valid evaluation report: ${issue?.message ?? 'unknown'} (${where}).`;
    return { format: 1, verdict: 'FAIL', rules: [], problems: [problem], ...about };
  }
  const report = parsed.data;
  const problems = [...findProblems(report, expected, confidence)];
  if (p.rules.length === 0) problems.push('Expected at least one rule, got none: nothing would be proved.');
  const rules = p.rules.map((rule) => judgeRule(rule, report));
  return { format: 1, verdict: combine(rules, problems), rules, problems, ...about };
}

function combine(rules: readonly RuleOutcome[], problems: readonly string[]): Verdict['verdict'] {
  if (problems.length > 0 || rules.some((rule) => rule.outcome === 'fail')) return 'FAIL';
  return rules.every((rule) => rule.outcome === 'pass') ? 'PASS' : 'INCONCLUSIVE';
}

function* findProblems(report: EvaluationReport, expected: Expected, confidence: number): Generator<string> {
  if (report.adapterSha256 !== expected.adapterSha256)
    yield `Expected a report about adapter ${expected.adapterSha256}, got one about ${report.adapterSha256}.`;
  if (report.samples.setSha256 !== expected.sampleSetSha256)
    yield `Expected figures from sample set ${expected.sampleSetSha256}, got ${report.samples.setSha256}.`;
  if (report.samples.count !== expected.samples || report.perSample.length !== expected.samples)
    yield `Expected ${expected.samples} pictures, got ${report.samples.count} with figures for ${report.perSample.length}.`;
  if (report.encoder.name !== expected.encoder)
    yield `Expected figures from encoder ${expected.encoder}, got ${report.encoder.name}.`;
  if (report.confidence < confidence)
    yield `Expected bounds at a confidence of ${confidence} or more, got ${report.confidence}.`;
}

function judgeRule(rule: GateRule, report: EvaluationReport): RuleOutcome {
  const metric = Object.hasOwn(report.metrics, rule.metric) ? report.metrics[rule.metric] : undefined;
  if (metric === undefined) {
    const reason = report.omitted.find((entry) => entry.metric === rule.metric)?.reason;
    const why = reason === undefined ? 'it is missing from the report' : `it was left out: ${reason}`;
    return { ...rule, ...NOTHING, outcome: 'fail', sentence: `FAIL ${rule.metric}: ${why}.` };
  }
  const { estimate, low, high } = metric;
  const figures = { estimate, low, high };
  const flaw = findFlaw(metric);
  if (flaw !== null)
    return { ...rule, ...figures, outcome: 'fail', sentence: `FAIL ${rule.metric}: ${flaw}.` };
  const outcome = compare(rule, low as number, high as number);
  return { ...rule, ...figures, outcome, sentence: describe(rule, metric, outcome) };
}

const NOTHING = { estimate: null, low: null, high: null };

function findFlaw({ estimate, low, high }: Metric): string | null {
  if (![estimate, low, high].every((value) => value !== null && Number.isFinite(value)))
    return 'its estimate or a bound is not a number';
  return (low as number) <= (high as number) ? null : 'its lower bound is above its upper bound';
}

function compare(rule: GateRule, low: number, high: number): RuleOutcome['outcome'] {
  switch (rule.must) {
    case 'above':
      return low > rule.threshold ? 'pass' : high <= rule.threshold ? 'fail' : 'inconclusive';
    case 'below':
      return high < rule.threshold ? 'pass' : low >= rule.threshold ? 'fail' : 'inconclusive';
  }
}

function describe(rule: GateRule, metric: Metric, outcome: RuleOutcome['outcome']): string {
  const bounds = `${short(metric.estimate)} [${short(metric.low)}, ${short(metric.high)}]`;
  const asked = `${rule.must === 'above' ? 'lower' : 'upper'} bound ${rule.must} ${short(rule.threshold)}`;
  return `${outcome.toUpperCase()} ${rule.metric}: ${bounds} over ${metric.n} pictures; asked: ${asked}.`;
}

function short(value: number | null): string {
  return value === null ? 'none' : String(Number(value.toPrecision(3)));
}
