import {
  ApplicationFailure,
  CancellationScope,
  CancelledFailure,
  ContinueAsNew,
  isCancellation,
} from '@temporalio/workflow';
import { describeProblems, type FieldProblem, type Parsed } from '../../domain/config/run-config.ts';
import { cutMessage, ERROR_KINDS } from '../../domain/errors.ts';
import type { Failure } from '../../domain/run/outcome.ts';
import { describeFailure } from './failures.ts';

/** The parsed input; one that cannot be used fails the workflow with every offending field in message and details. */
export function accepted<T>(workflow: string, parsed: Parsed<T>): T {
  if (parsed.ok) return parsed.value;
  throw invalidInput(workflow, parsed.problems);
}

function invalidInput(workflow: string, problems: FieldProblem[]): ApplicationFailure {
  return ApplicationFailure.create({
    type: 'InvalidInput',
    message: cutMessage(`${workflow} cannot start with this input:\n${describeProblems(problems)}`),
    details: [problems.slice(0, 50).map((p) => ({ ...p, problem: cutMessage(p.problem, 300) }))],
    nonRetryable: true,
  });
}

/** Whether somebody asked for this workflow to be cancelled, whatever its last work ended with. */
export const isCancelRequested = (): boolean => CancellationScope.current().consideredCancelled;

/** Why the workflow's work ended early: because it was asked to, or for the root cause of the error. */
export function failureOf(error: unknown): Failure {
  return describeFailure(isCancelRequested() ? new CancelledFailure('cancelled') : error);
}

/**
 * Runs a workflow's work and lets it end as was asked. One that was asked to cancel ends as cancelled: a worker that has
 * vanished answers with a timeout instead. Any other failure carries the kind and the message of its root cause.
 */
export async function endingAsAsked<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw endOf(error);
  }
}

/** What a workflow throws at its end for whatever ended its work. */
export function endOf(error: unknown): Error {
  if (error instanceof ContinueAsNew) return error;
  if (isCancelRequested())
    return isCancellation(error) ? (error as Error) : new CancelledFailure('cancelled');
  const { kind, message } = describeFailure(error);
  // A schedule may try the whole workflow again after a failure that can pass.
  return ApplicationFailure.create({ type: kind, message, nonRetryable: !ERROR_KINDS[kind].retryable });
}
