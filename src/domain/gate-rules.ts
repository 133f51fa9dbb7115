import type { GateConfig, GateRule } from './gate-config.ts';
import type { EvaluationConfig } from './run-config.ts';

type Encoder = EvaluationConfig['encoder'];

/** Rules that hold whatever the encoder: no broken picture, and an adapter that does something. */
const SOUND: GateRule[] = [
  { metric: 'integrity.broken', must: 'below', threshold: 1 },
  { metric: 'effect.pixels', must: 'above', threshold: 0.005 },
];

/**
 * Default rules by encoder; `docs/gate.md` gives the measured figures behind each threshold.
 * Thresholds of gains are 0: the bound itself carries the safety margin. Those of ratios are non-inferiority margins.
 */
export const DEFAULT_RULES: Readonly<Record<Encoder, readonly GateRule[]>> = {
  'efficientnet-lite0': [
    ...SOUND,
    { metric: 'kid.improvement', must: 'above', threshold: 0 },
    { metric: 'style.marginGain', must: 'above', threshold: 0 },
    { metric: 'diversity.vendi', must: 'above', threshold: 0.35 },
    { metric: 'diversity.withinPrompt', must: 'above', threshold: 0.3 },
    { metric: 'copying.close', must: 'below', threshold: 0.3 },
  ],
  'dinov2-base': [
    ...SOUND,
    { metric: 'kid.improvement', must: 'above', threshold: 0 },
    { metric: 'style.marginGain', must: 'above', threshold: 0 },
    { metric: 'diversity.vendi', must: 'above', threshold: 0.35 },
    { metric: 'diversity.withinPrompt', must: 'above', threshold: 0.3 },
    { metric: 'copying.close', must: 'below', threshold: 0.1 },
  ],
};

/** The rules a run is judged by: its own, or its encoder's defaults. */
export function gateRules(config: {
  gate: GateConfig;
  evaluation: Pick<EvaluationConfig, 'encoder'>;
}): GateRule[] {
  return config.gate.rules ?? [...DEFAULT_RULES[config.evaluation.encoder]];
}
