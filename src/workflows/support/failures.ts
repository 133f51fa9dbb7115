import {
  ActivityFailure,
  ApplicationFailure,
  ChildWorkflowFailure,
  isCancellation,
  TimeoutFailure,
} from '@temporalio/workflow';
import { describeProblems, type FieldProblem } from '../../domain/config/run-config.ts';

/** The failure of an input that cannot be used: not retried, every offending field in message and details. */
export function invalidInput(workflow: string, problems: FieldProblem[]): ApplicationFailure {
  return ApplicationFailure.create({
    type: 'InvalidInput',
    message: `${workflow} cannot start with this input:\n${describeProblems(problems)}`,
    details: [problems],
    nonRetryable: true,
  });
}

/** Kind and message of whatever ended a phase, unwrapped from Temporal's layers. */
export function describeFailure(error: unknown): { kind: string; message: string } {
  if (isCancellation(error)) return { kind: 'Cancelled', message: 'cancelled; what was trained is saved' };
  if (error instanceof ActivityFailure || error instanceof ChildWorkflowFailure)
    return describeFailure(error.cause);
  if (error instanceof TimeoutFailure && error.timeoutType === 'SCHEDULE_TO_CLOSE')
    return {
      kind: 'BudgetExhausted',
      message:
        'expected this phase to end within budget.wallClockHours, waiting for a GPU included, got no end. What was trained is saved: raise budget.wallClockHours and run "plein-air resume" with the name of the run',
    };
  if (error instanceof ApplicationFailure) return { kind: error.type ?? 'Internal', message: error.message };
  if (error instanceof TimeoutFailure && error.timeoutType === 'SCHEDULE_TO_CLOSE')
    return {
      kind: 'BudgetExhausted',
      message:
        'expected the phase to end within budget.wallClockHours, waiting for a GPU included, and it did not. What is trained is saved: open a GPU session, then "plein-air resume"',
    };
  return { kind: 'Internal', message: error instanceof Error ? error.message : String(error) };
}
