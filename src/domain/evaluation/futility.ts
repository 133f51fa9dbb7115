import { nameOf, type RuleOutcome, type Verdict } from './gate.ts';
import { normalBelow, normalQuantile } from './normal.ts';

/** Chance of passing below which a further look is not worth its pictures: it costs good models less than 1 % of power. */
const FUTILE = 0.05;

/**
 * Why further looks would not make a PASS of an undecided verdict, in words; null: they might. A rule's chance is that of
 * its bound at the last look, given what was seen and no other knowledge of the true value (predictive power).
 */
export function futility(
  verdict: Pick<Verdict, 'verdict' | 'rules' | 'confidence'>,
  look: number,
  looks: number,
): string | null {
  if (verdict.verdict !== 'INCONCLUSIVE' || look >= looks) return null;
  const open = verdict.rules.filter(({ outcome }) => outcome === 'inconclusive');
  const worst = open
    .map((rule) => ({ rule, chance: chanceOf(rule, verdict.confidence, look / looks) }))
    .sort((a, b) => a.chance - b.chance)[0];
  if (worst === undefined || worst.chance >= FUTILE) return null;
  return `FUTILE ${nameOf(worst.rule)}: further pictures would decide it for the candidate in ${(worst.chance * 100).toFixed(0)} % of cases, so none are painted.`;
}

/** Chance that a rule passes once all pictures are there, of which a share was seen; 0 where it has no figures. */
function chanceOf(rule: RuleOutcome, confidence: number, seen: number): number {
  const { estimate, low, high, threshold, must } = rule;
  if (estimate === null || low === null || high === null) return 0;
  const z = normalQuantile(confidence);
  const error = (must === 'above' ? estimate - low : high - estimate) / z;
  const ahead = must === 'above' ? estimate - threshold : threshold - estimate;
  if (!(error > 0)) return ahead > 0 ? 1 : 0;
  return normalBelow((ahead - z * error * Math.sqrt(seen)) / (error * Math.sqrt(1 - seen)));
}

/** What could still change a verdict: the same look against what is in production by now, or a further one that was planned. */
export function nextOf(
  verdict: Pick<Verdict, 'verdict' | 'stale' | 'rules' | 'confidence'>,
  look: number,
  looks: number,
): { next?: 'look' | 'measure-again' } {
  if (verdict.stale === true) return { next: 'measure-again' };
  const isOpen =
    verdict.verdict === 'INCONCLUSIVE' && look < looks && futility(verdict, look, looks) === null;
  return isOpen ? { next: 'look' } : {};
}
