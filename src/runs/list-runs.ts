import type { Client, WorkflowExecutionInfo } from '@temporalio/client';

/** A line of the list of runs. */
export interface ListedRun {
  run: string;
  type: string;
  /** The run's own state where it is under way, else how it ended. */
  state: string;
  phase: string;
  startedAt: string;
  seconds: number;
}

/** {@link ListedRun} with what the visibility store and the memo know besides. */
export interface ListedDetails extends ListedRun {
  isUnderWay: boolean;
  /** Empty where there is none, or where the search attributes are not registered. */
  verdict: string;
  model: string;
  profile: string;
}

/** What a person started; the rest is work of these or of a schedule. */
const OWN_TYPES = new Set(['fineTune', 'tune', 'prepare']);

/**
 * The newest runs; `all`: studies of runs, re-evaluations and rollbacks as well; `query`: a condition of the visibility
 * store.
 */
export async function newestRuns(
  client: Client,
  p: { most: number; all: boolean; query?: string; now?: number },
): Promise<ListedDetails[]> {
  const { most, all, query, now = Date.now() } = p;
  const runs: ListedDetails[] = [];
  // Newest first is the server's own order; stores on SQL refuse to be asked for one.
  for await (const info of client.workflow.list({
    pageSize: Math.min(most, 1000),
    ...(query === undefined || query === '' ? {} : { query }),
  })) {
    const isOwn = OWN_TYPES.has(info.type) && info.parentExecution === undefined;
    if (isOwn || all) runs.push(listed(info, now));
    if (runs.length === most) break;
  }
  return runs;
}

function listed(info: WorkflowExecutionInfo, now: number): ListedDetails {
  const shown = (name: string): string => String(info.searchAttributes[name]?.[0] ?? '');
  const memo = (name: string): string => (typeof info.memo?.[name] === 'string' ? info.memo[name] : '');
  const isUnderWay = info.status.name === 'RUNNING';
  const verdict = shown('PleinAirVerdict');
  return {
    run: info.workflowId,
    type: info.type,
    state: stateOf({ execution: info.status.name, state: shown('PleinAirState'), verdict }),
    phase: isUnderWay ? shown('PleinAirPhase') : '',
    startedAt: info.startTime.toISOString(),
    seconds: ((info.closeTime?.getTime() ?? now) - info.startTime.getTime()) / 1000,
    isUnderWay,
    verdict,
    model: shown('PleinAirModel') || memo('model'),
    profile: memo('profile'),
  };
}

/** The state of a run in a word: its own where it is under way or refused, else Temporal's. */
export function stateOf(p: { execution: string; state: string; verdict: string }): string {
  const { execution, state, verdict } = p;
  if (execution === 'RUNNING') return state === '' ? 'running' : state;
  if (execution === 'COMPLETED' && verdict === 'FAIL') return 'refused';
  if (execution === 'COMPLETED' && verdict === 'INCONCLUSIVE') return 'inconclusive';
  return execution === 'COMPLETED' ? 'done' : execution.toLowerCase();
}
