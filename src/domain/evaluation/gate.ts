import { z } from 'zod';
import { GateRule } from '../config/gate-config.ts';
import { Sha256 } from '../refs.ts';
import { Anchor, anchoredRules } from './anchors.ts';
import { HumanEvidence } from './human-votes.ts';
import { Standing, shareOf } from './ledger.ts';
import { HUMAN_METRICS } from './metrics.ts';
import { normalQuantile } from './normal.ts';
import { EvaluationReport, type Metric, otherSplits } from './report.ts';

/** How one rule came out; `sentence` is for people. */
export const RuleOutcome = GateRule.extend({
  estimate: z.number().nullable(),
  low: z.number().nullable(),
  high: z.number().nullable(),
  outcome: z.enum(['pass', 'fail', 'inconclusive']),
  /** The bound that was compared with the threshold. */
  bound: z.number().nullable().optional(),
  /** The true value that this rule would pass nine times in ten, at this many pictures and this spread. */
  detectable: z.number().nullable().optional(),
  sentence: z.string(),
});
export type RuleOutcome = z.infer<typeof RuleOutcome>;

/** A release that stood against the candidate. */
export const Rival = z.strictObject({
  name: z.enum(['production', 'best']),
  tag: z.string(),
  adapterSha256: Sha256,
});
export type Rival = z.infer<typeof Rival>;

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
  /** sha256 of the rules, as the run's record held them before training. */
  rulesSha256: Sha256.optional(),
  /** Which look this was, of how many at most; `confidence` is one look's share. */
  look: z.int().min(1).optional(),
  looks: z.int().min(1).optional(),
  /** Releases compared with. */
  rivals: z.array(Rival).optional(),
  /** What of the project's default rules was left out or asked less of; the model card opens with it. */
  loosened: z.array(z.string()).optional(),
  /** Rules that had nobody to compare with, in words: a first release has no production before it. */
  notApplicable: z.array(z.string()).optional(),
  /** What other releases had most of, where rules follow from it. */
  anchors: z.array(Anchor).optional(),
  /** What people said of it, where they were asked. */
  human: HumanEvidence.optional(),
  /** Where it stands among the candidates of its model; absent: it was measured before there was a ledger. */
  standing: Standing.optional(),
  /** True: somebody else was put into production since the report; it must be measured again. */
  stale: z.boolean().optional(),
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
  /** Split of unseen paintings that the gate measures against. */
  reference: 'held_out' | 'test';
  /** What is in production and the best release ever, when judged; a candidate is not compared with itself. */
  rivals: readonly Rival[];
  rulesSha256?: Sha256;
  look?: number;
  looks?: number;
  /** What of the default rules the run's own leave out or ask less of. */
  loosened?: readonly string[];
  /** Votes on pairs of this very candidate, and of what is in production now. */
  human?: HumanEvidence;
  /** What releases had most of, over the base. */
  anchors?: readonly Anchor[];
  /** Where the ledger has the candidate. */
  standing?: Standing;
}

/** Least confidence, over all looks together, with which a verdict may be PASS: below it, bounds are estimates. */
const MIN_CONFIDENCE = 0.8;

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
  /** Rules that were left out before the run began, in words. */
  leftOut?: readonly string[];
}): Verdict {
  const { expected, confidence } = p;
  const about = {
    confidence,
    adapterSha256: expected.adapterSha256,
    reportSha256: expected.reportSha256,
    sampleSetSha256: expected.sampleSetSha256,
    rivals: [...expected.rivals],
    ...(expected.rulesSha256 === undefined ? {} : { rulesSha256: expected.rulesSha256 }),
    ...(expected.look === undefined ? {} : { look: expected.look }),
    ...(expected.looks === undefined ? {} : { looks: expected.looks }),
    ...(expected.loosened === undefined ? {} : { loosened: [...expected.loosened] }),
    ...(expected.anchors === undefined || expected.anchors.length === 0
      ? {}
      : { anchors: [...expected.anchors] }),
    ...(expected.human === undefined ? {} : { human: expected.human }),
    ...(expected.standing === undefined ? {} : { standing: expected.standing }),
  };
  const parsed = EvaluationReport.safeParse(p.report);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const where = issue?.path.map(String).join('.') ?? '';
    const problem = `The report is not a valid evaluation report: ${issue?.message ?? 'unknown'} (${where}).`;
    return { format: 1, verdict: 'FAIL', rules: [], problems: [problem], ...about };
  }
  const report = parsed.data;
  const others = [...findOtherRivals(report, expected)];
  const problems = [...findProblems(report, expected, confidence), ...others];
  if (p.rules.length === 0) problems.push('Expected at least one rule, got none: nothing would be proved.');
  const asked = [
    ...p.rules.filter((rule) => rivalOf(rule, expected) !== null),
    ...anchoredRules(p.rules, expected.anchors ?? []),
  ];
  if (p.rules.length > 0 && asked.length === 0)
    problems.push(
      'Expected at least one rule that applies, got only rules against releases that do not exist.',
    );
  const rules = asked.map((rule) => judgeRule(rule, report, confidence, expected.human));
  const share = shareOf(expected.standing?.place ?? 1);
  const altogether = 1 - ((1 - confidence) * (expected.looks ?? 1)) / share;
  const unsure = altogether < MIN_CONFIDENCE - 1e-9;
  const unrivaled = p.rules
    .filter((rule) => !asked.includes(rule))
    .map(
      (rule) =>
        `${nameOf(rule)}: there is no ${rule.against === 'best' ? 'other best release' : 'other release in production'} to compare with.`,
    );
  return {
    ...{
      format: 1,
      verdict: combine(rules, problems, unsure),
      rules,
      problems,
      ...about,
      notApplicable: [...unrivaled, ...(p.leftOut ?? [])],
    },
    ...(unsure
      ? {
          loosened: [
            ...(expected.loosened ?? []),
            `The confidence of ${short(altogether)} is below ${MIN_CONFIDENCE}: no PASS is given with it.`,
          ],
        }
      : {}),
    stale: others.length > 0 && problems.length === others.length,
  };
}

/** The rule's other side: `true` for the base, which is always there; null for a release that does not exist. */
function rivalOf(rule: GateRule, expected: Expected): Rival | true | null {
  const against = rule.against ?? 'base';
  return against === 'base' ? true : (expected.rivals.find((rival) => rival.name === against) ?? null);
}

/** Figures against releases other than those that stand now are stale, however good. */
function* findOtherRivals(report: EvaluationReport, expected: Expected): Generator<string> {
  for (const { name, tag, adapterSha256 } of expected.rivals) {
    const compared = report.comparisons?.find((comparison) => comparison.name === name);
    if (compared?.adapterSha256 !== adapterSha256)
      yield `Expected a comparison with ${name} ${tag} (${adapterSha256}), got ${compared === undefined ? 'none' : `one with ${compared.tag} (${compared.adapterSha256})`}: measure again.`;
  }
}

function combine(
  rules: readonly RuleOutcome[],
  problems: readonly string[],
  unsure: boolean,
): Verdict['verdict'] {
  if (problems.length > 0 || rules.some((rule) => rule.outcome === 'fail')) return 'FAIL';
  return !unsure && rules.every((rule) => rule.outcome === 'pass') ? 'PASS' : 'INCONCLUSIVE';
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
  for (const file of otherSplits(report, expected.reference))
    yield `Expected figures from train, neighbors and ${expected.reference} alone, got ${file}: the gate judges by what nothing was chosen by.`;
  if (report.confidence < confidence)
    yield `Expected bounds at a confidence of ${confidence} or more, got ${report.confidence}.`;
}

function findMetric(rule: GateRule, report: EvaluationReport, human?: HumanEvidence): Metric | undefined {
  const against = rule.against ?? 'base';
  if (HUMAN_METRICS.has(rule.metric))
    return human?.opponents.find((opponent) => opponent.against === against)?.metrics[rule.metric];
  const from =
    against === 'base' ? report : report.comparisons?.find((comparison) => comparison.name === against);
  const metrics =
    rule.slice === undefined
      ? from?.metrics
      : from?.slices.find((slice) => slice.genre === rule.slice)?.metrics;
  return metrics !== undefined && Object.hasOwn(metrics, rule.metric) ? metrics[rule.metric] : undefined;
}

/** A rule's figure in words: `style.marginGain of sealed against production`. */
export function nameOf(rule: Pick<GateRule, 'metric' | 'slice' | 'against'>): string {
  const against = rule.against === undefined || rule.against === 'base' ? '' : ` against ${rule.against}`;
  return `${rule.metric}${rule.slice === undefined ? '' : ` of ${rule.slice}`}${against}`;
}

/** One rule on a report: how it comes out, with the bound that was compared. */
export function judgeRule(
  rule: GateRule,
  report: EvaluationReport,
  confidence: number,
  human?: HumanEvidence,
): RuleOutcome {
  const metric = findMetric(rule, report, human);
  const name = nameOf(rule);
  if (metric === undefined) {
    const unrated = { reason: 'nobody has rated pairs of it yet (plein-air rate)', unchecked: true };
    const { reason, unchecked } = HUMAN_METRICS.has(rule.metric)
      ? unrated
      : (report.omitted.find((entry) => entry.metric === rule.metric) ?? {});
    if (unchecked === true)
      return {
        ...{ ...rule, ...NOTHING, outcome: 'inconclusive' },
        sentence: `INCONCLUSIVE ${name}: not checked: ${reason}.`,
      };
    const why = reason === undefined ? 'it is missing from the report' : `it was left out: ${reason}`;
    return { ...rule, ...NOTHING, outcome: 'fail', sentence: `FAIL ${name}: ${why}.` };
  }
  const { estimate, low, high } = metric;
  const figures = { estimate, low, high };
  const flaw = findFlaw(metric);
  if (flaw !== null) return { ...rule, ...figures, outcome: 'fail', sentence: `FAIL ${name}: ${flaw}.` };
  const outcome = compare(rule, low as number, high as number);
  return {
    ...rule,
    ...figures,
    bound: rule.must === 'above' ? low : high,
    detectable: detectable(rule, metric, confidence),
    outcome,
    sentence: describe(rule, metric, outcome),
  };
}

/** Threshold plus what the bound keeps away from the estimate, plus 1.28 standard errors: power 0.9. */
function detectable(rule: GateRule, metric: Metric, confidence: number): number | null {
  const { estimate, low, high } = metric as { estimate: number; low: number; high: number };
  const reach = rule.must === 'above' ? estimate - low : high - estimate;
  const away = reach * (1 + normalQuantile(0.9) / normalQuantile(confidence));
  const value = rule.must === 'above' ? rule.threshold + away : rule.threshold - away;
  return Number.isFinite(value) ? Number(value.toPrecision(6)) : null;
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
  return `${outcome.toUpperCase()} ${nameOf(rule)}: ${bounds} over ${metric.n} pictures; asked: ${asked}.`;
}

function short(value: number | null): string {
  return value === null ? 'none' : String(Number(value.toPrecision(3)));
}
