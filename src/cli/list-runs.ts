import type { Client } from '@temporalio/client';
import { fleetStatus } from '../runs/fleet-status.ts';
import { type ListedRun, newestRuns } from '../runs/list-runs.ts';
import pc from './colors.ts';
import { fleetSummary } from './fleet-view.ts';
import { duration, print, table } from './output.ts';

const MAX_LISTED = 50;

/** Lists the newest runs; `all`: studies of runs, re-evaluations and rollbacks as well. */
export async function listRuns(
  client: Client,
  { json, all }: { json: boolean; all: boolean },
): Promise<void> {
  const [found, fleet] = await Promise.all([
    newestRuns(client, { most: MAX_LISTED, all }),
    fleetStatus(client),
  ]);
  const runs = found.map(
    ({ run, type, state, phase, startedAt, seconds }): ListedRun => ({
      ...{ run, type, state, phase, startedAt, seconds },
    }),
  );
  const below = fleet === null ? [] : fleetSummary(fleet, Date.now()).map((line) => pc.dim(line));
  print(json, runs, () =>
    [
      runs.length === 0
        ? 'no runs yet: "plein-air start" starts one'
        : table(
            ['run', 'type', 'state', 'phase', 'started (UTC)', 'took'],
            runs.map((r) => [
              ...[r.run, r.type, r.state, r.phase],
              ...[r.startedAt.replace('T', ' ').slice(0, 16), duration(r.seconds)],
            ]),
          ),
      ...below,
    ].join('\n'),
  );
}
