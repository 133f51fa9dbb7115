import type { Client, WorkflowExecutionInfo } from '@temporalio/client';
import { duration, print, table } from './output.ts';

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

const MAX_LISTED = 50;
/** What a person started; the rest is work of these or of a schedule. */
const OWN_TYPES = new Set(['fineTune', 'tune', 'prepare']);

/** Lists the newest runs; `all`: studies of runs, re-evaluations and rollbacks as well. */
export async function listRuns(
  client: Client,
  { json, all, now = Date.now() }: { json: boolean; all: boolean; now?: number },
): Promise<void> {
  const runs: ListedRun[] = [];
  // Newest first is the server's own order; stores on SQL refuse to be asked for one.
  for await (const info of client.workflow.list({ pageSize: MAX_LISTED })) {
    const isOwn = OWN_TYPES.has(info.type) && info.parentExecution === undefined;
    if (isOwn || all) runs.push(listed(info, now));
    if (runs.length === MAX_LISTED) break;
  }
  print(json, runs, () =>
    runs.length === 0
      ? 'no runs yet: "plein-air start" starts one'
      : table(
          ['run', 'type', 'state', 'phase', 'started (UTC)', 'took'],
          runs.map((r) => [
            ...[r.run, r.type, r.state, r.phase],
            ...[r.startedAt.replace('T', ' ').slice(0, 16), duration(r.seconds)],
          ]),
        ),
  );
}

function listed(info: WorkflowExecutionInfo, now: number): ListedRun {
  const shown = (name: string): string => String(info.searchAttributes[name]?.[0] ?? '');
  return {
    run: info.workflowId,
    type: info.type,
    state: stateOf({
      execution: info.status.name,
      state: shown('PleinAirState'),
      verdict: shown('PleinAirVerdict'),
    }),
    phase: info.status.name === 'RUNNING' ? shown('PleinAirPhase') : '',
    startedAt: info.startTime.toISOString(),
    seconds: ((info.closeTime?.getTime() ?? now) - info.startTime.getTime()) / 1000,
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
