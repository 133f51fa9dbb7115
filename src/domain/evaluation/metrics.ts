import type { EvaluationModels, ModelRole } from '../config/evaluation-models.ts';
import type { GateRule } from '../config/gate-config.ts';

/**
 * Metrics that the gate may have rules on, each with the role of the model that it needs; null: it is always measured.
 * `gpu-worker/src/plein_air/evaluation/figures.py` measures them, and a test there compares the names.
 */
export const METRICS: Readonly<Record<string, ModelRole | null>> = {
  'integrity.broken': null,
  'integrity.baseBroken': null,
  'heldOut.loss': null,
  'parity.reload': null,
  'parity.deployed': null,
  'effect.pixels': null,
  ...distances('kid', null),
  ...distances('gaussianMmd', null),
  'style.margin': null,
  'style.baseMargin': null,
  'style.marginGain': null,
  'diversity.vendi': null,
  'diversity.withinPrompt': null,
  ...withBase('style', ['score', 'plain']),
  'style.scoreGain': null,
  'style.plainGain': null,
  'style.winRate': null,
  'style.progress': null,
  'style.retained': null,
  'style.leak': null,
  'style.paintings': null,
  ...withBase('content', ['match', 'shown']),
  'content.matchGain': null,
  ...withBase('appearance', ['color', 'hues', 'upright', 'wayUp']),
  'appearance.colorGain': null,
  'appearance.uprightGain': null,
  'appearance.outside': null,
  'copying.copies': null,
  'copying.detection': null,
  'copying.falseAlarms': null,
  'copying.excess': null,
  'copying.baseExcess': null,
  'copying.close': null,
  'copying.baseClose': null,
  'copying.increase': null,
  'csd.similarity': 'style',
  'csd.baseSimilarity': 'style',
  'csd.gain': 'style',
  'adherence.clip': 'clip',
  'adherence.baseClip': 'clip',
  'adherence.clipGain': 'clip',
  'adherence.vqa': 'questions',
  'adherence.baseVqa': 'questions',
  'adherence.vqaGain': 'questions',
  'preference.score': 'preference',
  'preference.baseScore': 'preference',
  'preference.winRate': 'preference',
};

/** Metrics that people measure by rating pairs; a rule on one is undecided until somebody has. */
export const HUMAN_METRICS: ReadonlySet<string> = new Set([
  'human.winRate',
  'human.style',
  'human.prompt',
  'human.quality',
]);

function distances(name: string, role: ModelRole | null): Record<string, ModelRole | null> {
  const figures = ['candidate', 'base', 'improvement', 'paintings', 'retained'];
  return Object.fromEntries(figures.map((figure) => [`${name}.${figure}`, role]));
}

/** Figures of the candidate's pictures, each beside the same one of the base's: `style.score` and `style.baseScore`. */
function withBase(name: string, figures: readonly string[]): Record<string, null> {
  const both = figures.flatMap((figure) => [
    figure,
    `base${figure.slice(0, 1).toUpperCase()}${figure.slice(1)}`,
  ]);
  return Object.fromEntries(both.map((figure) => [`${name}.${figure}`, null]));
}

/** Why a rule could never hold: nobody measures its metric under this configuration. Null: it is measured. */
export function unmeasured({ metric }: Pick<GateRule, 'metric'>, models: EvaluationModels): string | null {
  if (HUMAN_METRICS.has(metric)) return null;
  if (!Object.hasOwn(METRICS, metric))
    return `expected a metric that is measured (${[...Object.keys(METRICS), ...HUMAN_METRICS].join(', ')}), got ${metric}`;
  const role = METRICS[metric] ?? null;
  if (role === null || models[role] !== null) return null;
  return `expected evaluation.models.${role} to name a model, which measures ${metric}, got null`;
}
