import {
  type Client,
  ScheduleAlreadyRunning,
  ScheduleNotFoundError,
  ScheduleOverlapPolicy,
} from '@temporalio/client';
import type { Command } from 'commander';
import { PipelineError } from '../../domain/errors.ts';
import { ReevaluateInput } from '../../domain/release-inputs.ts';
import { parseFields } from '../../domain/run-config.ts';
import { connectClient } from '../connect.ts';
import { action, type CommonOptions } from '../context.ts';
import { print, table } from '../output.ts';
import { mustParse } from '../start-run.ts';

interface ApplyOptions extends CommonOptions {
  cron: string;
  timeZone: string;
  onFail: string;
  namespace?: string;
}

/** Adds `schedule`: nightly re-evaluation of a model in production. */
export function addScheduleCommands(program: Command): void {
  const schedule = program.command('schedule').description('nightly re-evaluation of what is in production');
  action<ApplyOptions>(
    schedule
      .command('apply')
      .argument('[model]', 'name of the model', 'impressionist')
      .description('create the schedule, or bring it to these settings')
      .option('--cron <expression>', 'when, as five cron fields', '0 3 * * *')
      .option('--time-zone <zone>', 'time zone of the cron fields', 'UTC')
      .option('--on-fail <action>', 'report or rollback', 'report')
      .option('--namespace <name>', 'Hub user or organisation'),
    async ({ dataDir, json }, { cron, timeZone, onFail, namespace }, model) => {
      const input = { model, onFail, ...(namespace === undefined ? {} : { namespace }) };
      mustParse('reevaluate', parseFields(ReevaluateInput, input));
      const id = scheduleId(String(model));
      const created = await apply(await connectClient(dataDir), { id, cron, timeZone, input });
      print(
        json,
        { schedule: id, cron, timeZone, created },
        () => `${id}: ${created ? 'created' : 'updated'}, ${cron} ${timeZone}`,
      );
    },
  );
  action<CommonOptions>(schedule.command('list').description('list schedules'), async ({ dataDir, json }) => {
    const client = await connectClient(dataDir);
    const rows: { schedule: string; paused: boolean; next: string }[] = [];
    for await (const s of client.schedule.list())
      rows.push({
        schedule: s.scheduleId,
        paused: s.state.paused,
        next: s.info.nextActionTimes[0]?.toISOString() ?? '',
      });
    print(json, rows, () =>
      rows.length === 0
        ? 'no schedules: "plein-air schedule apply" creates one'
        : table(
            ['schedule', 'state', 'next'],
            rows.map((r) => [r.schedule, r.paused ? 'paused' : 'active', r.next]),
          ),
    );
  });
  for (const [name, what, run] of [
    [
      'pause',
      'hold a schedule',
      (c: Client, id: string) => c.schedule.getHandle(id).pause('paused from the command line'),
    ],
    ['resume', 'let a held schedule go on', (c: Client, id: string) => c.schedule.getHandle(id).unpause()],
    ['trigger', 'run it now', (c: Client, id: string) => c.schedule.getHandle(id).trigger()],
    ['delete', 'remove a schedule', (c: Client, id: string) => c.schedule.getHandle(id).delete()],
  ] as const)
    action<CommonOptions>(
      schedule.command(name).argument('[model]', 'name of the model', 'impressionist').description(what),
      async ({ dataDir, json }, _options, model) => {
        const id = scheduleId(String(model));
        try {
          await run(await connectClient(dataDir), id);
        } catch (error) {
          if (error instanceof ScheduleNotFoundError)
            throw new PipelineError(
              'InvalidInput',
              `expected a schedule, got "${id}", which does not exist: "plein-air schedule apply" creates it`,
            );
          throw error;
        }
        print(json, { schedule: id, done: name }, () => `${id}: ${name} done`);
      },
    );
}

const scheduleId = (model: string) => `nightly-reevaluate-${model}`;

/** Creates or updates a schedule; a missed night is caught up within an hour or let go. True when it was new. */
async function apply(
  client: Client,
  p: { id: string; cron: string; timeZone: string; input: unknown },
): Promise<boolean> {
  const options = {
    spec: { cronExpressions: [p.cron], timezone: p.timeZone },
    policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: '1h' as const, pauseOnFailure: false },
    action: {
      type: 'startWorkflow' as const,
      workflowType: 'reevaluate',
      taskQueue: 'pipeline',
      args: [p.input],
    },
  };
  try {
    await client.schedule.create({ scheduleId: p.id, ...options });
    return true;
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    await client.schedule.getHandle(p.id).update((previous) => ({ ...options, state: previous.state }));
    return false;
  }
}
