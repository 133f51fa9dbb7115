import type { Client } from '@temporalio/client';
import { type ListedRun, newestRuns } from '../runs/list-runs.ts';
import { duration, print, table } from './output.ts';

const MAX_LISTED = 50;

/** Lists the newest runs; `all`: studies of runs, re-evaluations and rollbacks as well. */
export async function listRuns(
  client: Client,
  { json, all }: { json: boolean; all: boolean },
): Promise<void> {
  const found = await newestRuns(client, { most: MAX_LISTED, all });
  const runs = found.map(
    ({ run, type, state, phase, startedAt, seconds }): ListedRun => ({
      ...{ run, type, state, phase, startedAt, seconds },
    }),
  );
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
