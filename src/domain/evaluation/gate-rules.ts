import type { GateConfig, GateRule } from '../config/gate-config.ts';
import type { DatasetConfig, EvaluationConfig } from '../config/run-config.ts';
import { PROMPT_SETS } from './sample-set.ts';

type Encoder = EvaluationConfig['encoder'];

/** Rules that hold whatever the encoder: intact pictures, an adapter that does something, and the file that is released. */
const INTEGRITY_RULES: GateRule[] = [
  { metric: 'integrity.broken', must: 'below', threshold: 1 },
  { metric: 'effect.pixels', must: 'above', threshold: 0.005 },
  { metric: 'parity.reload', must: 'below', threshold: 0.001 },
  { metric: 'parity.deployed', must: 'below', threshold: 0.03 },
];

/** Prompts that a slice needs for figures of its own; those of smaller ones are taken together, as the trainer does. */
export const MIN_PROMPTS = 3;
export const SMALL = 'small';

/** Slices of a set with the trigger and without it, as reports have them; no prompt is in none. */
function slicesOf(set: EvaluationConfig['promptSet']): { asked: string[]; free: string[]; sealed: boolean } {
  const prompts = PROMPT_SETS[set];
  const name = (slice: string) =>
    prompts.filter((prompt) => prompt.slice === slice).length < MIN_PROMPTS ? SMALL : slice;
  const named = (trigger: boolean) => [
    ...new Set(prompts.filter((prompt) => prompt.trigger === trigger).map((prompt) => name(prompt.slice))),
  ];
  return { asked: named(true), free: named(false), sealed: prompts.some((prompt) => prompt.sealed) };
}

/**
 * Rules of every part of a prompt set: what was asked for is shown, the style is gained in most pictures and the look is
 * that of a painting. Without the trigger the style need not come, and must not come stronger than with it.
 */
function ofParts(set: EvaluationConfig['promptSet']): GateRule[] {
  const { asked, free, sealed } = slicesOf(set);
  return [
    ...(sealed
      ? [{ metric: 'style.marginGain', must: 'above', threshold: 0, slice: 'sealed' } as const]
      : []),
    ...asked.flatMap((slice): GateRule[] => [
      { metric: 'style.winRate', must: 'above', threshold: 0.2, slice },
      { metric: 'style.marginGain', must: 'above', threshold: -0.1, slice },
    ]),
    ...[...new Set([...asked, ...free])].flatMap((slice): GateRule[] => [
      { metric: 'content.shown', must: 'above', threshold: 0.6, slice },
      { metric: 'appearance.outside', must: 'below', threshold: 3, slice },
      { metric: 'appearance.wayUp', must: 'above', threshold: -0.9, slice },
      { metric: 'appearance.hues', must: 'above', threshold: -0.6, slice },
    ]),
    ...(free.length > 0 ? [{ metric: 'style.leak', must: 'below', threshold: 0.35 } as const] : []),
  ];
}

/**
 * Margins by encoder. `content`: how much less often than the base's a picture may be told from those of other genres: a
 * good adapter of the tiny base loses 0.07, captions of other genres 0.17. `kid`: of the part of the gain that is kept,
 * on the encoder's own scale, since KID's cubic kernel has none. Those of `dinov2-base` are judgements.
 */
export const MARGINS: Readonly<Record<Encoder, Record<'content' | 'kid' | 'ratio' | 'copies', number>>> = {
  'efficientnet-lite0': { content: 0.12, kid: 0.15, ratio: 0.8, copies: 0.1 },
  'dinov2-base': { content: 0.08, kid: 0.15, ratio: 0.8, copies: 0.1 },
};

/** What a candidate has to be by itself: better by a least effect, in nearly every picture, of what was asked for. */
function againstBase(encoder: Encoder): GateRule[] {
  return [
    { metric: 'kid.improvement', must: 'above', threshold: 0 },
    { metric: 'style.marginGain', must: 'above', threshold: 0 },
    { metric: 'style.progress', must: 'above', threshold: 0.15 },
    { metric: 'style.winRate', must: 'above', threshold: 0.75 },
    { metric: 'content.matchGain', must: 'above', threshold: -MARGINS[encoder].content },
    { metric: 'content.shown', must: 'above', threshold: 0.8 },
    { metric: 'appearance.outside', must: 'below', threshold: 1.4 },
    { metric: 'appearance.uprightGain', must: 'above', threshold: -0.12 },
    { metric: 'appearance.colorGain', must: 'above', threshold: -0.12 },
    { metric: 'appearance.wayUp', must: 'above', threshold: -0.2 },
    { metric: 'appearance.hues', must: 'above', threshold: -0.2 },
    { metric: 'diversity.vendi', must: 'above', threshold: 0.35 },
    { metric: 'diversity.withinPrompt', must: 'above', threshold: 0.3 },
    { metric: 'copying.copies', must: 'below', threshold: 1 },
    { metric: 'copying.detection', must: 'above', threshold: 0.75 },
    { metric: 'copying.excess', must: 'below', threshold: 0.1 },
  ];
}

/** `retained` figures are gains over the base beyond 85 % of the release's: above 0 keeps them. */
function againstReleases(encoder: Encoder): GateRule[] {
  const { content, kid, ratio, copies } = MARGINS[encoder];
  return (['production', 'best'] as const).flatMap((against): GateRule[] => [
    { metric: 'kid.retained', must: 'above', threshold: -kid, against },
    { metric: 'style.retained', must: 'above', threshold: 0, against },
    { metric: 'content.matchGain', must: 'above', threshold: -content, against },
    { metric: 'diversity.vendi', must: 'above', threshold: ratio, against },
    { metric: 'diversity.withinPrompt', must: 'above', threshold: ratio, against },
    { metric: 'copying.increase', must: 'below', threshold: copies, against },
  ]);
}

/**
 * Default rules by encoder; `docs/gate.md` gives the measured figures behind each threshold. Those of `dinov2-base` have
 * not been measured on real pictures yet.
 */
export const DEFAULT_RULES: Readonly<Record<Encoder, readonly GateRule[]>> = {
  'efficientnet-lite0': [
    ...INTEGRITY_RULES,
    ...againstBase('efficientnet-lite0'),
    ...againstReleases('efficientnet-lite0'),
  ],
  'dinov2-base': [...INTEGRITY_RULES, ...againstBase('dinov2-base'), ...againstReleases('dinov2-base')],
};

/** What each further model is asked; none of these thresholds has been measured on real pictures yet. */
const MODEL_RULES: Partial<Record<keyof EvaluationConfig['models'], readonly GateRule[]>> = {
  clip: [{ metric: 'adherence.clipGain', must: 'above', threshold: -0.02 }],
  questions: [{ metric: 'adherence.vqaGain', must: 'above', threshold: -0.1 }],
  style: [{ metric: 'csd.gain', must: 'above', threshold: 0 }],
  preference: [{ metric: 'preference.winRate', must: 'above', threshold: 0.35 }],
};

/** Figures that compare with pictures of other styles: a dataset without any has none of them. */
export const MARGIN_METRICS: ReadonlySet<string> = new Set(['style.marginGain']);

/** What the default rules leave out for want of pictures of other styles, in words for the verdict; empty: nothing. */
export function rulesLeftOut(config: {
  gate: Pick<GateConfig, 'rules'>;
  dataset: Pick<DatasetConfig, 'neighborsPerStyle' | 'testFraction'>;
}): string[] {
  const seen =
    config.dataset.testFraction > 0
      ? []
      : [
          'held_out: measured against paintings that the checkpoint was chosen by, for the dataset has no others (dataset.testFraction is 0).',
        ];
  if (config.gate.rules !== null || config.dataset.neighborsPerStyle > 0) return seen;
  const margins = [...MARGIN_METRICS].map(
    (metric) =>
      `${metric}: not judged, for the dataset has no pictures of other styles to compare with (dataset.neighborsPerStyle is 0).`,
  );
  return [...margins, ...seen];
}

/**
 * Split of unseen paintings that the gate measures against: `test`, which nothing else reads. A set too small to spare one
 * (dataset.testFraction 0) is measured against `held_out`, by which its checkpoint was chosen, and the verdict says so.
 */
export function gateReference({
  dataset,
}: {
  dataset: Pick<DatasetConfig, 'testFraction'>;
}): 'held_out' | 'test' {
  return dataset.testFraction > 0 ? 'test' : 'held_out';
}

/** Everything that decides how a report is judged, as one text: its hash is what a run pins before it trains. */
export function rulesText(
  gate: Pick<GateConfig, 'confidence' | 'looks'>,
  rules: readonly GateRule[],
): string {
  return JSON.stringify({
    confidence: gate.confidence,
    looks: gate.looks,
    rules: rules.map(({ metric, must, threshold, against, slice }) => [
      metric,
      must,
      threshold,
      against ?? 'base',
      slice ?? null,
    ]),
  });
}

type RulesOf = {
  gate: Pick<GateConfig, 'rules'>;
  evaluation: Pick<EvaluationConfig, 'encoder' | 'models' | 'promptSet'>;
  dataset: Pick<DatasetConfig, 'neighborsPerStyle'>;
};

/** The rules a run is judged by: its own, or the defaults of its encoder and of every model that it names. */
export function gateRules(config: RulesOf): GateRule[] {
  return config.gate.rules ?? defaultRules(config);
}

/** The defaults of an encoder, of a prompt set and of every model that is named. */
export function defaultRules(config: Pick<RulesOf, 'evaluation' | 'dataset'>): GateRule[] {
  const { encoder, models, promptSet } = config.evaluation;
  const further = Object.entries(models).flatMap(([role, model]) =>
    model === null ? [] : (MODEL_RULES[role as keyof typeof models] ?? []),
  );
  return [...DEFAULT_RULES[encoder], ...ofParts(promptSet), ...further].filter(
    ({ metric }) => config.dataset.neighborsPerStyle > 0 || !MARGIN_METRICS.has(metric),
  );
}
