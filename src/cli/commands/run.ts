import { userInfo } from 'node:os';
import type { Client } from '@temporalio/client';
import type { Command } from 'commander';
import { exitCodeOf, outcomeOf } from '../../domain/run/outcome.ts';
import type { RunResult } from '../../domain/run/run-result.ts';
import type { StudyResult } from '../../domain/tuning/study-result.ts';
import { findRun } from '../../runs/find-run.ts';
import { type InputSource, named, readInput } from '../../runs/run-input.ts';
import { startWorkflow, unservedQueues } from '../../runs/start-run.ts';
import { cancelRun } from '../../runs/steer.ts';
import { profileOfGpuWorkers, profileOfThisMachine } from '../choose-profile.ts';
import pc from '../colors.ts';
import { confirmCost } from '../confirm-cost.ts';
import { connectClient, connectRunHub } from '../connect.ts';
import { action, type CommonOptions } from '../context.ts';
import { type FromOptions, lookAtFrom, takeFrom, withFrom } from '../from-folder.ts';
import { listRuns } from '../list-runs.ts';
import { outcomeLine, resultOf } from '../outcome.ts';
import { print, tell } from '../output.ts';
import { projectSettings } from '../project-settings.ts';
import { showRun } from '../show-run.ts';
import { onInterrupt } from '../stack/interrupt.ts';
import { studyResultLines } from '../study-view.ts';
import { watchRun } from '../watch-run.ts';

/** Options of a command that starts a run. */
export interface InputOptions extends CommonOptions, InputSource {
  watch?: boolean;
}

/** Adds the commands that start and follow runs: start, tune, status, watch, cancel. */
export function addRunCommands(program: Command): void {
  for (const [name, type, what] of [
    ['start', 'fineTune', 'start a fine-tuning run'],
    ['tune', 'tune', 'search hyperparameters without training to the end'],
  ] as const)
    action<InputOptions & FromOptions & { yes: boolean }>(
      withFrom(withNameAndProfile(program.command(name).description(what)))
        .option('--watch', 'follow the run until it ends')
        .option('--yes', 'do not ask before GPU sessions that cost money', false),
      async ({ dataDir, json, env }, options) => {
        options.project = projectSettings();
        const automatic = options.profile === 'auto';
        if (automatic) delete options.profile;
        const asked = readInput(type, options);
        const source = await lookAtFrom(options, tell);
        const client = await connectClient(dataDir);
        if (asked.input.profile === undefined)
          options.profile =
            (await profileOfGpuWorkers(client, asked.parsed.gpuSession)) ??
            (automatic ? await profileOfThisMachine() : 'tiny');
        const first = readInput(type, options);
        const asker = { run: first.parsed.run ?? 'this run', budget: first.parsed.budget, yes: options.yes };
        await confirmCost(client, asker);
        const layer =
          source === null
            ? {}
            : await takeFrom(
                { hub: connectRunHub(env, dataDir), source, options, config: first.parsed },
                tell,
              );
        const config = readInput(type, options, layer);
        const { input, workflowId } = named(config.input, name === 'start' ? 'run' : 'study');
        await startWorkflow(client, {
          type,
          workflowId,
          input,
          summary: `${config.parsed.profile}: ${config.parsed.model}`,
          memo: {
            model: config.parsed.model,
            profile: config.parsed.profile,
            startedBy: userInfo().username,
          },
          priority: config.parsed.priority,
        });
        const warnings = await unservedQueues(client, config.parsed.gpuSession);
        if (options.watch !== true)
          return print(json, { run: workflowId, warnings }, () =>
            [`started ${pc.bold(workflowId)}`, ...warnings.map((w) => pc.yellow(`! ${w}`))].join('\n'),
          );
        await follow(client, workflowId, json);
      },
    );

  action<CommonOptions & { all: boolean }>(
    program
      .command('status')
      .argument('[run]', 'name or workflow id of a run; none: list the runs')
      .description('show runs')
      .option('--all', 'list studies of runs, re-evaluations and rollbacks as well', false),
    async ({ dataDir, json }, { all }, run) => {
      const client = await connectClient(dataDir);
      if (run === undefined) return listRuns(client, { json, all });
      await showRun(client, (await findRun(client, run)).id, json);
    },
  );

  action<CommonOptions>(
    program.command('watch').argument('<run>', 'name of the run').description('follow a run live'),
    async ({ dataDir, json }, _options, run) => {
      const client = await connectClient(dataDir);
      await follow(client, (await findRun(client, String(run))).id, json);
    },
  );

  action<CommonOptions>(
    program
      .command('cancel')
      .argument('<run>', 'name of the run')
      .description('save a checkpoint and end a run; "plein-air resume" continues from there'),
    async ({ dataDir, json }, _options, run) => {
      const client = await connectClient(dataDir);
      const id = await cancelRun(client, String(run));
      print(json, { run: id, cancelled: true }, () => `${id} will save a checkpoint and end`);
    },
  );
}

/** Adds the options that a run's input is given by. */
export function withInput(command: Command): Command {
  return command
    .option('--input <json>', 'the input as JSON, or @FILE to read it from a file')
    .option('--set <field=value>', 'set one field, such as training.steps=500', collect)
    .option(
      '--accept-difference <field>',
      'continue from a checkpoint whose fingerprint differs in this field, such as software.torch',
      collect,
    );
}

/** Adds the name and the profile of a run that a server's workers take. */
function withNameAndProfile(command: Command): Command {
  return withInput(command)
    .option('--run <name>', 'name of the run')
    .option(
      '--profile <profile>',
      'tiny, t4, l4, a100, h100, or auto. Default: chosen from the GPU workers now connected, tiny if there are none; auto also looks at this machine’s GPU',
    );
}

/** Gathers the values of an option that may be given more than once. */
export const collect = (value: string, all: string[] = []) => [...all, value];

async function follow(client: Client, run: string, json: boolean): Promise<void> {
  const leave = new AbortController();
  const stopListening = onInterrupt(
    () => leave.abort(),
    `${run} continues without you: plein-air watch ${run}`,
  );
  const { execution } = await watchRun(client, run, { out: process.stderr, signal: leave.signal });
  stopListening();
  if (leave.signal.aborted && execution === 'RUNNING') {
    process.exitCode = 130;
    return;
  }
  const result = await resultOf<RunResult | StudyResult>(client, run);
  if ('strategy' in result) return print(json, result, () => studyResultLines(result).join('\n'));
  const outcome = outcomeOf(result);
  print(json, result, () => `${run}: ${outcomeLine(outcome)}`);
  process.exitCode = exitCodeOf(outcome);
}
