import { type Client, ScheduleNotFoundError } from '@temporalio/client';
import type { Command } from 'commander';
import { readYamlFile } from '../../config/yaml-file.ts';
import { parseFields } from '../../domain/config/run-config.ts';
import { type ReevaluationSchedule, ScheduleFile, scheduleId } from '../../domain/config/schedule-file.ts';
import { PipelineError } from '../../domain/errors.ts';
import { mustParse } from '../../runs/start-run.ts';
import { applySchedule } from '../apply-schedule.ts';
import { connectClient } from '../connect.ts';
import { action, type CommonOptions } from '../context.ts';
import { print, table } from '../output.ts';

interface ApplyOptions extends CommonOptions {
  file?: string;
  cron?: string;
  timeZone?: string;
  onFail?: string;
  namespace?: string;
}

/** Adds `schedule`: nightly re-evaluation of a model in production. */
export function addScheduleCommands(program: Command): void {
  const schedule = program.command('schedule').description('nightly re-evaluation of what is in production');
  action<ApplyOptions>(
    schedule
      .command('apply')
      .argument('[model]', 'name of the model (default: "impressionist")')
      .description('create schedules, or bring them to these settings; may be run again and again')
      .option('--file <yaml>', 'a file with a list of schedules, such as temporal/schedules.yaml')
      .option('--cron <expression>', 'when, as five cron fields (default: "0 3 * * *")')
      .option('--time-zone <zone>', 'time zone of the cron fields (default: "UTC")')
      .option('--on-fail <action>', 'report or rollback (default: "report")')
      .option('--namespace <name>', 'Hub user or organization'),
    async ({ dataDir, json }, options, model) => {
      const schedules = readSchedules(options, model);
      const client = await connectClient(dataDir);
      const rows: { schedule: string; cron: string; timeZone: string; created: boolean }[] = [];
      for (const one of schedules) {
        const created = await applySchedule(client, one);
        rows.push({ schedule: scheduleId(one.model), cron: one.cron, timeZone: one.timeZone, created });
      }
      print(json, rows, () =>
        rows
          .map((r) => `${r.schedule}: ${r.created ? 'created' : 'updated'}, ${r.cron} ${r.timeZone}`)
          .join('\n'),
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
    ['resume', 'resume a paused schedule', (c: Client, id: string) => c.schedule.getHandle(id).unpause()],
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

function readSchedules(options: ApplyOptions, model: string | undefined): ReevaluationSchedule[] {
  const { file, json: _json, dataDir: _dataDir, ...rest } = options;
  if (file === undefined)
    return mustParse('schedule', parseFields(ScheduleFile, { schedules: [{ ...rest, model }] })).schedules;
  if (model !== undefined || Object.keys(rest).length > 0)
    throw new PipelineError(
      'InvalidInput',
      '--file: expected everything else in the file, got other options too',
    );
  return mustParse(file, parseFields(ScheduleFile, readYamlFile(file))).schedules;
}
