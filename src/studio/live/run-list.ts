import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { z } from 'zod';
import { costOf, type GpuSession, isWorkerOf } from '../../domain/gpu-source/session.ts';
import type { RunStatus } from '../../domain/run/run-result.ts';
import { fleetStatus } from '../../runs/fleet-status.ts';
import { type ListedDetails, newestRuns } from '../../runs/list-runs.ts';
import { Feed } from './feed.ts';
import { askTemporal, reading, type Sources } from './source.ts';

const Word = z
  .string()
  .regex(/^[\w.-]{0,64}$/, 'Expected letters, digits, dots, hyphens and underscores, 64 at most')
  .default('');

/** States that the list is filtered by, and what the visibility store calls each. */
const STATES: Record<string, string> = {
  running: "ExecutionStatus = 'Running'",
  'waiting-for-approval': "ExecutionStatus = 'Running' AND PleinAirState = 'waiting-for-approval'",
  paused: "ExecutionStatus = 'Running' AND PleinAirState = 'paused'",
  done: "ExecutionStatus = 'Completed'",
  failed: "ExecutionStatus = 'Failed'",
  cancelled: "ExecutionStatus = 'Canceled'",
};

/** What the list of runs shows, as its address says it. */
export const RunFilter = z.object({
  state: z.enum(['', ...Object.keys(STATES)]).default(''),
  verdict: z.enum(['', 'PASS', 'FAIL', 'INCONCLUSIVE']).default(''),
  model: Word,
  name: Word,
  show: z.enum(['100', '1000']).default('100'),
});
export type RunFilter = z.infer<typeof RunFilter>;

/** Where a run under way is: how far, on which machine, at what cost. */
export interface RunDetails {
  done: number;
  total: number;
  etaSeconds: number | null;
  worker: string | null;
  session: (Pick<GpuSession, 'accelerator' | 'source' | 'openedAt'> & { cost: string }) | null;
}

/** The list at one moment. */
export interface RunList {
  filter: RunFilter;
  runs: ListedDetails[];
  details: ReadonlyMap<string, RunDetails>;
  missing: string[];
}

const LIST_MS = 2000;
/** Runs under way that are asked themselves; the others show what the visibility store knows. */
const MAX_ASKED = 12;
/** How long the list waits for what the runs say themselves: the rest comes with the next reading. */
const DETAILS_MS = 150;

/** The condition for the visibility store. */
export function queryOf({ state, verdict, model, name }: RunFilter): string {
  const conditions = ["WorkflowType IN ('fineTune', 'tune', 'prepare')"];
  if (state !== '') conditions.push(STATES[state] ?? '');
  if (verdict !== '') conditions.push(`PleinAirVerdict = '${verdict}'`);
  if (model !== '') conditions.push(`PleinAirModel = '${model}'`);
  if (name !== '') conditions.push(`WorkflowId STARTS_WITH '${name}'`);
  return conditions.join(' AND ');
}

/** The list of runs under a filter, read every 2 s while anybody watches it. */
export function createRunListFeed({ client }: Pick<Sources, 'client'>, filter: RunFilter): Feed<RunList> {
  let runs: ListedDetails[] = [];
  let details: ReadonlyMap<string, RunDetails> = new Map();
  const query = queryOf(filter);
  return new Feed(async () => {
    const missing: string[] = [];
    const read = await reading('Temporal', () =>
      askTemporal(client, () => newestRuns(client, { most: Number(filter.show), all: false, query })),
    );
    if (read.ok) {
      runs = read.value;
      const asked = askRuns(client, runs).then((known) => {
        details = known;
      });
      await Promise.race([asked, sleep(DETAILS_MS)]);
    } else missing.push(read.why);
    return { filter, runs, details, missing };
  }, LIST_MS);
}

async function askRuns(client: Client, runs: readonly ListedDetails[]): Promise<Map<string, RunDetails>> {
  const underWay = runs.filter(({ isUnderWay }) => isUnderWay).slice(0, MAX_ASKED);
  if (underWay.length === 0) return new Map();
  const [fleet, ...known] = await Promise.all([
    askTemporal(client, () => fleetStatus(client)).catch(() => null),
    ...underWay.map(async ({ run }) => {
      const handle = client.workflow.getHandle(run);
      const status = await askTemporal(client, () => handle.query<Partial<RunStatus>>('status')).catch(
        () => null,
      );
      return [run, status?.gpu ?? null] as const;
    }),
  ]);
  return new Map(
    known.flatMap(([run, gpu]) => {
      if (gpu === null) return [];
      const { worker } = gpu;
      const session =
        worker === null ? undefined : fleet?.sessions.find(({ name }) => isWorkerOf(name, worker));
      const details: RunDetails = {
        ...{ done: gpu.step, total: gpu.steps, etaSeconds: gpu.etaSeconds, worker },
        session: session === undefined ? null : priced(session),
      };
      return [[run, details] as const];
    }),
  );
}

function priced(session: GpuSession): RunDetails['session'] {
  const { accelerator, source, openedAt, price } = session;
  return {
    accelerator,
    source,
    openedAt,
    cost: `${costOf(session, Date.now()).toFixed(2)} ${price.currency}`,
  };
}
