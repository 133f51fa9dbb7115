import { constraintNames, type TuningObjective } from '../config/tuning-config.ts';
import type { TrialMeasures } from '../run/activities.ts';
import type { TrialReport } from './search-space.ts';

/** A rung's figures as goals (lower is better) and violations (above 0: broken); null where one of them is missing. */
export function trialReport(p: {
  objective: TuningObjective;
  step: number;
  heldOutLoss: number | null;
  /** Null where neither goals nor limits need a measurement. */
  measures: TrialMeasures | null;
}): TrialReport | null {
  const { objective, measures } = p;
  const goals = {
    heldOutLoss: p.heldOutLoss,
    style: measures?.style == null ? null : -measures.style,
  };
  const broken = {
    copying: minus(measures?.copying, objective.maxCopying),
    diversity: minus(objective.minDiversity, measures?.diversity),
    adherence: minus(objective.minAdherence, measures?.adherence),
  };
  const values = objective.goals.map((goal) => goals[goal]);
  const violations = constraintNames(objective).map((name) => broken[name]);
  const whole = (figure: number | null): figure is number => figure !== null && Number.isFinite(figure);
  if (!values.every(whole) || !violations.every(whole)) return null;
  return { step: p.step, values, violations };
}

function minus(a: number | null | undefined, b: number | null | undefined): number | null {
  return a == null || b == null ? null : a - b;
}
