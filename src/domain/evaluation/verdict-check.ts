import { judgeRule, nameOf, type Verdict } from './gate.ts';
import { EvaluationReport } from './report.ts';

/**
 * Why a stored PASS does not follow from the report that it names: a rule in it fails, or comes out otherwise on the
 * report's own figures. Empty: it follows.
 */
export function disagreements(verdict: Verdict, stored: unknown): string[] {
  const report = EvaluationReport.safeParse(stored);
  if (!report.success) return ['the report that it names is not a valid evaluation report'];
  if (verdict.rules.length === 0) return ['it has no rules'];
  return verdict.rules.flatMap((rule) => {
    const again = judgeRule(rule, report.data, verdict.confidence, verdict.human);
    if (again.outcome === 'pass' && rule.outcome === 'pass') return [];
    return [`${nameOf(rule)} is "${rule.outcome}" in it and "${again.outcome}" on the report`];
  });
}
