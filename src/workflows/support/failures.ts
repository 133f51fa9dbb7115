import {
  ActivityFailure,
  ApplicationFailure,
  CancelledFailure,
  ChildWorkflowFailure,
  TerminatedFailure,
  TimeoutFailure,
  WorkflowExecutionAlreadyStartedError,
} from '@temporalio/common';
import { cutMessage, ERROR_KINDS, type ErrorKind } from '../../domain/errors.ts';
import type { Failure } from '../../domain/run/outcome.ts';

/** Kind and message of what ended a phase or a workflow, unwrapped from Temporal's layers; the message is cut to a size that histories hold. */
export function describeFailure(error: unknown): Failure {
  const { kind, message } = rootOf(error);
  return { kind, message: cutMessage(message) };
}

function rootOf(error: unknown): Failure {
  const chain = chainOf(error);
  const first = chain.find((at) => !isWrapper(at)) ?? chain.at(-1);
  if (first instanceof CancelledFailure)
    return { kind: 'Cancelled', message: 'cancelled; training progress is saved' };
  if (first instanceof TerminatedFailure)
    return { kind: 'Cancelled', message: `terminated: ${first.message}` };
  if (first instanceof TimeoutFailure && first.timeoutType === 'SCHEDULE_TO_CLOSE')
    return {
      kind: 'BudgetExhausted',
      message:
        'expected this phase to end within budget.wallClockHours, waiting for a GPU included, got no end. Training progress is saved: raise budget.wallClockHours and run "plein-air resume" with the name of the run',
    };
  if (first instanceof WorkflowExecutionAlreadyStartedError)
    return {
      kind: 'InvalidInput',
      message: `expected no workflow with the id "${first.workflowId}", which this run needs for its study, got one that is running: end it, or give the run another name`,
    };
  const known = chain.findLast((at) => at instanceof ApplicationFailure && isKind(at.type));
  if (known instanceof ApplicationFailure && isKind(known.type))
    return { kind: known.type, message: known.message };
  return { kind: 'Internal', message: first?.message ?? String(error) };
}

function chainOf(error: unknown): Error[] {
  const chain: Error[] = [];
  for (let at = error; at instanceof Error && !chain.includes(at); at = at.cause) chain.push(at);
  return chain;
}

/** Layers that say only where something failed; the client's own among them, known by their name. */
function isWrapper(error: Error): boolean {
  return (
    error instanceof ActivityFailure ||
    error instanceof ChildWorkflowFailure ||
    error.name === 'WorkflowFailedError' ||
    error.name === 'WorkflowUpdateFailedError'
  );
}

function isKind(type: string | undefined | null): type is ErrorKind {
  return typeof type === 'string' && Object.hasOwn(ERROR_KINDS, type);
}
