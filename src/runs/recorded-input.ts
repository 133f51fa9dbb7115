import { changesOf, readRunRecord } from '../activities/run/open-run.ts';
import { PipelineError } from '../domain/errors.ts';
import type { RunName } from '../domain/refs.ts';
import { runRepos } from '../domain/run/repositories.ts';
import type { Hub } from '../hub/hub.ts';
import { type InputSource, readInput } from './run-input.ts';

/** What is asked to be otherwise than recorded; the run itself refuses what may not change. */
export interface Changes extends Pick<InputSource, 'input' | 'profile' | 'set' | 'acceptDifference'> {
  gpuHours?: string;
}

/** Where the Hub keeps a run's record. */
export const recordOf = (namespace: string, run: RunName) =>
  ({ type: 'dataset', repo: runRepos(namespace, run, 'any').record }) as const;

/** The input of a run from its record on the Hub, with what is to change; null: the Hub knows no such run. */
export async function recordedInput(
  hub: Hub,
  p: { run: RunName; namespace: string; changes: Changes },
): Promise<Record<string, unknown> | null> {
  const record = await readRunRecord(hub, recordOf(p.namespace, p.run));
  if (record === null) return null;
  const { gpuHours, ...changes } = p.changes;
  const set = [...(changes.set ?? []), ...(gpuHours === undefined ? [] : [`budget.gpuHours=${gpuHours}`])];
  const { input, parsed } = readInput('fineTune', { ...changes, set }, record.config);
  const { refused } = changesOf(record.config, parsed);
  if (refused.length > 0)
    throw new PipelineError(
      'InvalidInput',
      `expected changes of budget, checkpoints, gpuSession or priority, got some of ${refused.join(', ')}, which decide what comes out of run "${p.run}": start another run with them`,
    );
  return input;
}
