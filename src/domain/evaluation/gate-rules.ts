import type { GateConfig, GateRule } from '../config/gate-config.ts';
import type { DatasetConfig, EvaluationConfig } from '../config/run-config.ts';
import { PROMPT_SETS } from './sample-set.ts';

type Encoder = EvaluationConfig['encoder'];

/** Rules that hold whatever the encoder: whole pictures, an adapter that does something, and does it everywhere. */
const SOUND: GateRule[] = [
  { metric: 'integrity.broken', must: 'below', threshold: 1 },
  { metric: 'effect.pixels', must: 'above', threshold: 0.005 },
  { metric: 'parity.reload', must: 'below', threshold: 0.001 },
  { metric: 'parity.deployed', must: 'below', threshold: 0.03 },
];

/** Prompts that a slice needs to be judged on its own: bounds over fewer clusters decide nothing. */
const ENOUGH = 5;

/** Rules of a prompt set's parts: no kind of picture may lose the style, and the sealed prompts must gain it, too. */
function ofParts(set: EvaluationConfig['promptSet']): GateRule[] {
  const asked = PROMPT_SETS[set].filter((prompt) => prompt.trigger);
  const slices = [...new Set(asked.map((prompt) => prompt.slice))];
  const large = slices.filter(
    (s) => s !== 'adherence' && asked.filter((p) => p.slice === s).length >= ENOUGH,
  );
  const rule = (slice: string, threshold: number): GateRule => ({
    metric: 'style.marginGain',
    must: 'above',
    threshold,
    slice,
  });
  return [
    ...(asked.some((prompt) => prompt.sealed) ? [rule('sealed', 0)] : []),
    ...large.map((slice) => rule(slice, -0.1)),
  ];
}

/** How much worse than a release a candidate may be: at least 1.5 times what twins differ by, `bench/gate_calibration.py`. */
export const MARGINS: Readonly<Record<Encoder, Record<'kid' | 'style' | 'ratio' | 'copies', number>>> = {
  'efficientnet-lite0': { kid: 0.15, style: 0.08, ratio: 0.8, copies: 0.1 },
  'dinov2-base': { kid: 0.15, style: 0.05, ratio: 0.8, copies: 0.1 },
};

/** Gains over the base must be above 0: the bound itself carries the safety margin. Ratios have a margin. */
const AGAINST_BASE: GateRule[] = [
  { metric: 'kid.improvement', must: 'above', threshold: 0 },
  { metric: 'style.marginGain', must: 'above', threshold: 0 },
  { metric: 'diversity.vendi', must: 'above', threshold: 0.35 },
  { metric: 'diversity.withinPrompt', must: 'above', threshold: 0.3 },
  { metric: 'copying.close', must: 'below', threshold: 0.1 },
];

function againstReleases(encoder: Encoder): GateRule[] {
  const { kid, style, ratio, copies } = MARGINS[encoder];
  return (['production', 'best'] as const).flatMap((against): GateRule[] => [
    { metric: 'kid.improvement', must: 'above', threshold: -kid, against },
    { metric: 'style.marginGain', must: 'above', threshold: -style, against },
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
  'efficientnet-lite0': [...SOUND, ...AGAINST_BASE, ...againstReleases('efficientnet-lite0')],
  'dinov2-base': [...SOUND, ...AGAINST_BASE, ...againstReleases('dinov2-base')],
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
  dataset: Pick<DatasetConfig, 'neighborsPerStyle'>;
}): string[] {
  if (config.gate.rules !== null || config.dataset.neighborsPerStyle > 0) return [];
  return [...MARGIN_METRICS].map(
    (metric) =>
      `${metric}: not judged, for the dataset has no pictures of other styles to compare with (dataset.neighborsPerStyle is 0).`,
  );
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

/** The rules a run is judged by: its own, or the defaults of its encoder and of every model that it names. */
export function gateRules(config: {
  gate: Pick<GateConfig, 'rules'>;
  evaluation: Pick<EvaluationConfig, 'encoder' | 'models' | 'promptSet'>;
  dataset: Pick<DatasetConfig, 'neighborsPerStyle'>;
}): GateRule[] {
  if (config.gate.rules !== null) return config.gate.rules;
  const { encoder, models, promptSet } = config.evaluation;
  const further = Object.entries(models).flatMap(([role, model]) =>
    model === null ? [] : (MODEL_RULES[role as keyof typeof models] ?? []),
  );
  return [...DEFAULT_RULES[encoder], ...ofParts(promptSet), ...further].filter(
    ({ metric }) => config.dataset.neighborsPerStyle > 0 || !MARGIN_METRICS.has(metric),
  );
}
