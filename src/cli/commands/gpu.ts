import type { Client } from '@temporalio/client';
import type { Command } from 'commander';
import { ERROR_KINDS, PipelineError } from '../../domain/errors.ts';
import {
  FLEET_QUEUE,
  FLEET_WORKFLOW_ID,
  type FleetRequest,
  type FleetStatus,
  REAPER_ID,
  type Reaped,
} from '../../domain/gpu-source/fleet.ts';
import { costOf, describeSession, type GpuSession, money } from '../../domain/gpu-source/session.ts';
import { GPU_QUEUE, PIPELINE_QUEUE } from '../../domain/run/task-queues.ts';
import { createLedger, ledgerRepo } from '../../gpu-sources/ledger.ts';
import { fleetStatus } from '../../runs/fleet-status.ts';
import { pollers } from '../../runs/start-run.ts';
import { connectClient, connectRunHub } from '../connect.ts';
import { action, type CommonOptions } from '../context.ts';
import { duration, print, table } from '../output.ts';
import { fleetOf } from '../stack/local-sessions.ts';
import { readStack } from '../stack/stack-file.ts';

/** Adds `gpu`: the sessions of the fleet, to list, open and close. */
export function addGpuCommands(program: Command): void {
  const gpu = program
    .command('gpu')
    .description('GPU sessions that the fleet has opened: list, open, close, reap');
  action<CommonOptions>(
    gpu
      .command('list')
      .description('open sessions, those of this month and the one before, what they cost and why'),
    async ({ env, dataDir, json }) => {
      const client = await connectClient(dataDir);
      const hub = connectRunHub(env, dataDir);
      const fleet = readStack(dataDir) === null ? env.PLEIN_AIR_FLEET : fleetOf(dataDir);
      const ledger = createLedger(hub, ledgerRepo(await hub.whoAmI()), fleet);
      const [status, sessions] = await Promise.all([fleetStatus(client), ledger.recent(Date.now())]);
      print(
        json,
        { watchedAt: status?.watchedAt ?? null, obstacles: status?.obstacles ?? [], sessions },
        () => sessionLines(sessions, status, Date.now()).join('\n'),
      );
    },
  );
  action<CommonOptions & { accelerator: string; queue: string }>(
    gpu
      .command('open')
      .argument('<source>', 'name of a source in the operator’s file')
      .requiredOption('--accelerator <name>', 'accelerator to ask for, such as T4')
      .option('--queue <name>', 'queue whose work it is for', GPU_QUEUE)
      .description('open a session now, before any work waits'),
    async ({ dataDir, json }, { accelerator, queue }, source) => {
      const open = { source: String(source), accelerator, queue };
      await ask(await connectClient(dataDir), { open });
      print(
        json,
        { asked: open },
        () => `asked for ${accelerator} of ${source}: "plein-air gpu list" shows it`,
      );
    },
  );
  action<CommonOptions>(
    gpu
      .command('close')
      .argument('<session>', 'name of a session')
      .description('close a session; a training in it publishes its checkpoint first'),
    async ({ dataDir, json }, _options, session) => {
      const client = await connectClient(dataDir);
      const status = await fleetStatus(client);
      const open = status?.sessions.map(({ name }) => name) ?? [];
      if (!open.includes(String(session)))
        throw new PipelineError(
          'InvalidInput',
          `expected an open session (${open.join(', ') || 'there is none'}), got "${session}"`,
        );
      await ask(client, { close: [String(session)] });
      print(json, { closing: session }, () => `${session} is being closed`);
    },
  );
  action<CommonOptions>(
    gpu
      .command('reap')
      .description('compare what the sources list with the ledger now, and close what nobody needs'),
    async ({ dataDir, json }) => {
      const reaped = await reap(await connectClient(dataDir));
      print(json, reaped, () => reapedLines(reaped).join('\n'));
      if (reaped.failed.length > 0) process.exitCode = ERROR_KINDS.HubUnavailable.exitCode;
    },
  );
}

async function reap(client: Client): Promise<Reaped> {
  // Without a worker that has a file of sources, nobody would ever take it up.
  if ((await pollers(client, FLEET_QUEUE)).length === 0) throw noFleet();
  return client.workflow.execute<() => Promise<Reaped>>('reapGpuSessions', {
    workflowId: REAPER_ID,
    taskQueue: PIPELINE_QUEUE,
    workflowIdConflictPolicy: 'USE_EXISTING',
  });
}

function reapedLines({ closed, failed, fleetStarted }: Reaped): string[] {
  const lines = [
    ...closed.map(({ name, why }) => `closed ${name}: ${why}`),
    ...failed.map(({ name, why }) => `! ${name} is still open: ${why}`),
    ...(fleetStarted ? ['the fleet was not running: started'] : []),
  ];
  return lines.length === 0 ? ['every open session is in the ledger and needed'] : lines;
}

function noFleet(cause?: unknown): PipelineError {
  return new PipelineError(
    'InvalidInput',
    'expected a fleet, got none: start a pipeline worker with PLEIN_AIR_GPU_SOURCES (docs/gpu-sources.md), or "plein-air up"',
    { cause },
  );
}

async function ask(client: Client, request: Partial<FleetRequest>): Promise<void> {
  try {
    await client.workflow.getHandle(FLEET_WORKFLOW_ID).signal('request', request);
  } catch (error) {
    throw noFleet(error);
  }
}

/** Sessions and obstacles for people. */
export function sessionLines(
  sessions: readonly GpuSession[],
  status: FleetStatus | null,
  now: number,
): string[] {
  const rows = sessions
    .toReversed()
    .map((session) => [
      session.name,
      session.source,
      session.accelerator,
      describeSession(session),
      duration(((session.closedAt ?? now) - session.openedAt) / 1000),
      money(costOf(session, now), session.price.currency),
      session.run ?? '',
      session.detail || session.why,
    ]);
  const lines = [
    rows.length === 0
      ? 'no session was opened this month or the one before'
      : table(['session', 'source', 'accelerator', 'state', 'for', 'cost', 'run', 'why'], rows),
  ];
  if (status === null)
    lines.push('! no fleet answers: a pipeline worker with PLEIN_AIR_GPU_SOURCES runs one');
  for (const obstacle of status?.obstacles ?? []) lines.push(`! ${obstacle}`);
  return lines;
}
