import type { Trial } from './search-space.ts';
import type { StudyInsight } from './study.ts';
import type { Confirmation } from './top-k.ts';
import { type CompleteTrial, violation } from './tuning.ts';

/** One or two sentences about a choice and how sure it is. */
export function describeChoice(p: {
  chosen: CompleteTrial;
  trials: readonly Trial[];
  confirmations: readonly Confirmation[];
  insight: StudyInsight | null;
}): string {
  const { chosen, insight } = p;
  const limits =
    violation(chosen) > 0 ? ' No trial kept to every limit: it is the one that breaks them least.' : '';
  const rival = [...(insight?.certainty ?? [])].sort(
    (a, b) => (a.probability ?? 0.5) - (b.probability ?? 0.5),
  )[0];
  if (rival === undefined)
    return `Trial ${chosen.number} has the best figures of ${p.trials.length}; it was not trained again with other seeds, so noise may have chosen it.${limits}`;
  const gap = `${rival.meanDifference >= 0 ? 'better' : 'worse'} than trial ${rival.rival} by ${Math.abs(rival.meanDifference).toPrecision(2)} over ${rival.seeds} new ${rival.seeds === 1 ? 'seed' : 'seeds'}`;
  const sure =
    rival.probability === null
      ? 'one seed says nothing about the noise'
      : `${Math.round(rival.probability * 100)} % sure that it is better`;
  return `Trial ${chosen.number} is ${gap}: ${sure}.${limits}`;
}
