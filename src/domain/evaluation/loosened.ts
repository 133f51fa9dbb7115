import type { GateRule } from '../config/gate-config.ts';
import { nameOf } from './gate.ts';

/** What of the defaults is left out or asked less of, a sentence each; empty for the defaults and for stricter rules. */
export function loosened(rules: readonly GateRule[], defaults: readonly GateRule[]): string[] {
  return defaults.flatMap((wanted) => {
    const same = rules.filter((rule) => rule.must === wanted.must && nameOf(rule) === nameOf(wanted));
    const [first] = same;
    if (first === undefined) return [`${nameOf(wanted)} ${wanted.must} ${wanted.threshold} is not asked.`];
    const kept = same.some(({ threshold }) =>
      wanted.must === 'above' ? threshold >= wanted.threshold : threshold <= wanted.threshold,
    );
    return kept
      ? []
      : [`${nameOf(wanted)} is asked ${wanted.must} ${first.threshold}, by default ${wanted.threshold}.`];
  });
}
