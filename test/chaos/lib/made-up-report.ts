import { describeProblems, parseRunConfig } from '../../../src/domain/config/run-config.ts';
import { DEFAULT_RULES, gateRules } from '../../../src/domain/evaluation/gate-rules.ts';
import { PROMPT_SETS } from '../../../src/domain/evaluation/sample-set.ts';
import { passing, reportInTest } from '../../domain/report-in-test.ts';

const keysOf = <T extends object>(of: T) => Object.keys(of) as (keyof T)[];

/**
 * What the simulated trainer claims to have measured: a report, and a comparison with a release, which pass the default rules of every
 * encoder and prompt set, whatever these are.
 */
export function madeUpReport() {
  const parsed = parseRunConfig({ profile: 'tiny' });
  if (!parsed.ok) throw new Error(describeProblems(parsed.problems));
  const config = parsed.value;
  const rules = keysOf(DEFAULT_RULES).flatMap((encoder) =>
    keysOf(PROMPT_SETS).flatMap((promptSet) =>
      gateRules({ ...config, evaluation: { ...config.evaluation, encoder, promptSet } }),
    ),
  );
  const { report, comparison } = passing(rules);
  return { report: reportInTest(report), comparison };
}
