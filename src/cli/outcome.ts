import type { Client } from '@temporalio/client';
import { PipelineError } from '../domain/errors.ts';
import { describeOutcome, type Outcome, outcomeOf } from '../domain/run/outcome.ts';
import type { RunResult } from '../domain/run/run-result.ts';
import { describeFailure } from '../workflows/support/failures.ts';
import pc from './colors.ts';

/** How a run ended, for people: the outcome, the gate's reasons, and where the release is. */
export function outcomeLines(result: RunResult, hubUrl: string): string[] {
  const { gate, release } = result;
  return [
    `outcome   ${outcomeLine(outcomeOf(result))}`,
    `verdict   ${gate?.verdict === 'PASS' ? pc.green('PASS') : pc.red(gate?.verdict ?? 'none')}`,
    ...(gate?.reasons ?? []).map((reason) => pc.dim(`          ${reason}`)),
    release === null
      ? 'release   nothing was released, production is unchanged'
      : `release   ${hubUrl}/${release.release.repo} ${release.release.tag}`,
  ];
}

/** One line about an outcome. */
export function outcomeLine(outcome: Outcome): string {
  const { word, sentence } = describeOutcome(outcome);
  return `${pc.bold(word)}. ${sentence}`;
}

/**
 * What a workflow returned, waiting for its end.
 *
 * @throws PipelineError of the kind that ended it, with its own words: the kind decides the exit code.
 */
export async function resultOf<T>(client: Client, workflowId: string): Promise<T> {
  try {
    return (await client.workflow.getHandle(workflowId).result()) as T;
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'WorkflowFailedError') throw error;
    const { kind, message } = describeFailure(error);
    throw new PipelineError(kind, `${workflowId}: ${message}`, { cause: error });
  }
}
