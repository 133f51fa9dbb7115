import { userInfo } from 'node:os';
import type { Command } from 'commander';
import { ReevaluateInput, RollbackInput } from '../../domain/config/release-inputs.ts';
import { parseFields } from '../../domain/config/run-config.ts';
import { ERROR_KINDS, PipelineError } from '../../domain/errors.ts';
import { RunName } from '../../domain/refs.ts';
import type { Release } from '../../domain/release/release.ts';
import { recordedInput, recordOf } from '../../runs/recorded-input.ts';
import { timestamped } from '../../runs/run-input.ts';
import { mustParse, startWorkflow } from '../../runs/start-run.ts';
import { decide, liveRun, pauseRun, resumeLive } from '../../runs/steer.ts';
import { connectClient, connectRunHub } from '../connect.ts';
import { action, type CommonOptions } from '../context.ts';
import { resultOf } from '../outcome.ts';
import { print } from '../output.ts';
import { collect } from './run.ts';

/** Adds the commands by which people steer: approve, reject, pause, resume, rollback, reevaluate. */
export function addSteerCommands(program: Command): void {
  for (const name of ['approve', 'reject'] as const)
    action<CommonOptions & { by: string; reason: string }>(
      program
        .command(name)
        .argument('<run>', 'name of the run')
        .description(`${name} a candidate that waits for a person`)
        .option('--by <name>', 'who decides', userInfo().username)
        .requiredOption('--reason <words>', 'why; it goes into the record'),
      async ({ dataDir, json }, { by, reason }, run) => {
        const client = await connectClient(dataDir);
        const { run: id, decision } = await decide(client, String(run), { decision: name, by, reason });
        print(json, { run: id, decision, by, reason }, () => `${id}: ${decision} by ${by}`);
      },
    );

  action<CommonOptions>(
    program
      .command('pause')
      .argument('<run>', 'name of the run')
      .description('save a checkpoint and pause a run'),
    async ({ dataDir, json }, _options, run) => {
      const client = await connectClient(dataDir);
      const id = await pauseRun(client, String(run));
      print(
        json,
        { run: id, paused: true },
        () => `${id} will save a checkpoint and pause; continue with "plein-air resume ${id}"`,
      );
    },
  );

  action<
    CommonOptions & { namespace?: string; gpuHours?: string; set?: string[]; acceptDifference?: string[] }
  >(
    program
      .command('resume')
      .argument('<run>', 'name of the run')
      .description('continue a paused run, or an ended one from what the Hub holds')
      .option('--namespace <name>', 'Hub user or organization of the run; default: the token’s owner')
      .option('--gpu-hours <hours>', 'a new budget of GPU hours')
      .option('--set <field=value>', 'change a field of budget or checkpoints', collect)
      .option(
        '--accept-difference <field>',
        'continue although the checkpoint’s fingerprint differs in this field, such as software.torch; the record says so',
        collect,
      ),
    async ({ env, dataDir, json }, options, operand) => {
      const client = await connectClient(dataDir);
      const live = await liveRun(client, String(operand));
      if (live !== null) {
        refuseChanges(live, options);
        const words = await resumeLive(client, live);
        return print(json, { run: live, resumed: 'signal' }, () => words);
      }
      const name = RunName.safeParse(operand);
      if (!name.success)
        throw new PipelineError(
          'InvalidInput',
          `resume: expected the name of a run, got "${operand}": 1 to 48 lower-case letters, digits and inner hyphens`,
        );
      const run = name.data;
      const hub = connectRunHub(env, dataDir);
      const namespace = options.namespace ?? (await hub.whoAmI());
      const input = await recordedInput(hub, { run, namespace, changes: options });
      if (input === null)
        throw new PipelineError(
          'InvalidInput',
          `expected the record of run "${run}" in ${recordOf(namespace, run).repo} on ${hub.endpoint}, got none: check the name with "plein-air status", or give --namespace`,
        );
      await startWorkflow(client, { type: 'fineTune', workflowId: run, input });
      print(
        json,
        { run, resumed: 'restarted' },
        () => `${run} continues from its newest checkpoint on the Hub`,
      );
    },
  );

  action<CommonOptions & { to?: string; reason?: string; namespace?: string }>(
    program
      .command('rollback')
      .argument('[model]', 'name of the model', 'impressionist')
      .description('put an earlier release back into production')
      .option('--to <tag>', 'release tag such as v1; default: the one before')
      .option('--reason <words>', 'why; it goes into the record')
      .option('--namespace <name>', 'Hub user or organization'),
    async ({ dataDir, json }, { to, reason, namespace }, model) => {
      const input = defined({ model, to, reason, namespace, by: userInfo().username });
      mustParse('rollback', parseFields(RollbackInput, input));
      const client = await connectClient(dataDir);
      const workflowId = timestamped('rollback');
      await startWorkflow(client, { type: 'rollback', workflowId, input });
      const release = await resultOf<Release>(client, workflowId);
      print(json, release, () => {
        const trial =
          release.trial?.outcome === 'unhealthy' ? `; its Space is unwell: ${release.trial.problem}` : '';
        return `${release.release.repo} ${release.release.tag} is in production${trial}`;
      });
      if (release.trial?.outcome === 'unhealthy') process.exitCode = ERROR_KINDS.Unhealthy.exitCode;
    },
  );

  action<CommonOptions & { onFail?: string; namespace?: string }>(
    program
      .command('reevaluate')
      .argument('[model]', 'name of the model', 'impressionist')
      .description('sample and judge the model in production again')
      .option('--on-fail <action>', 'report or rollback')
      .option('--namespace <name>', 'Hub user or organization'),
    async ({ dataDir, json }, { onFail, namespace }, model) => {
      const input = defined({ model, onFail, namespace });
      mustParse('reevaluate', parseFields(ReevaluateInput, input));
      const client = await connectClient(dataDir);
      const workflowId = timestamped('reevaluate');
      await startWorkflow(client, { type: 'reevaluate', workflowId, input });
      const result = await resultOf<{ tag: string; gate: { verdict: string } }>(client, workflowId);
      print(json, result, () => `${model} ${result.tag}: ${result.gate.verdict}`);
    },
  );
}

/** Changes of its input would not reach a run that is under way. */
function refuseChanges(
  id: string,
  changes: { gpuHours?: string; set?: string[]; acceptDifference?: string[] },
): void {
  const asked = [changes.gpuHours, changes.set, changes.acceptDifference].some((one) => one !== undefined);
  if (asked)
    throw new PipelineError(
      'InvalidInput',
      `resume: expected no changes for "${id}", which is under way, got some: cancel it first ("plein-air cancel ${id}"), then resume it with them`,
    );
}

function defined(input: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined));
}
