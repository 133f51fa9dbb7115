import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import type { Command } from 'commander';
import { hubAccess, processEnvironment } from '../../config/env.ts';
import type { Profile } from '../../domain/config/profiles.ts';
import { PipelineError } from '../../domain/errors.ts';
import { RunName } from '../../domain/refs.ts';
import { exitCodeOf, outcomeOf } from '../../domain/run/outcome.ts';
import type { RunResult } from '../../domain/run/run-result.ts';
import { GPU_QUEUE } from '../../domain/run/task-queues.ts';
import { connectHub } from '../../hub/client.ts';
import { recordedInput } from '../../runs/recorded-input.ts';
import { readInput } from '../../runs/run-input.ts';
import { isRunning, pollers, startWorkflow } from '../../runs/start-run.ts';
import type { FolderSource } from '../../wikiart/import-source.ts';
import { profileOfGpuWorkers } from '../choose-profile.ts';
import pc, { writeLine } from '../colors.ts';
import { connectClient } from '../connect.ts';
import { action } from '../context.ts';
import { type FromOptions, lookAtFrom, takeFrom, withFrom } from '../from-folder.ts';
import { outcomeLines, resultOf } from '../outcome.ts';
import { print, tell } from '../output.ts';
import { projectSettings } from '../project-settings.ts';
import { seedStack } from '../seed.ts';
import { onInterrupt } from '../stack/interrupt.ts';
import { Stack } from '../stack/stack.ts';
import { watchRun } from '../watch-run.ts';
import { type InputOptions, withInput } from './run.ts';

type RunHereOptions = Omit<InputOptions, 'run' | 'watch'> & FromOptions;

/** Adds `run`: one run on this machine alone, begun or gone on with from what the Hub holds. */
export function addRunHereCommand(program: Command): void {
  action<RunHereOptions>(
    withFrom(
      withInput(
        program
          .command('run')
          .argument('<run>', 'name of the run')
          .description(
            'run the pipeline on this machine, with the Hub of HF_TOKEN; resumes the run if it already exists',
          )
          .option('--namespace <name>', 'Hub user or organization of the run; default: the token’s owner'),
      ).option(
        '--profile <profile>',
        'tiny, t4, l4, a100 or h100. Default: the one for this machine’s GPU; tiny on a machine without one and without HF_TOKEN',
      ),
    ),
    async ({ env, dataDir, json }, options, operand) => {
      refuseOtherServer();
      const asked = { ...options, run: String(operand), project: projectSettings() };
      if (asked.profile === 'auto') delete asked.profile;
      readInput('fineTune', asked);
      const run = RunName.parse(operand);
      const source = await lookAtFrom(options, tell);
      const abort = new AbortController();
      const stopListening = onInterrupt(() => abort.abort());
      const ownHub = hubAccess(env);
      const stack = await Stack.start(dataDir, env, { ownHub });
      const say = (line: string) => writeLine(process.stderr, line);
      try {
        say(`Temporal UI ${stack.uiUrl}   Hub ${stack.hubUrl}`);
        if (ownHub === null) await seedStack(stack);
        stack.startWorker('pipeline');
        stack.startWorker('gpu');
        const client = await connectClient(dataDir);
        say(await beginRun({ client, stack, run, asked, source, fallback: ownHub === null ? 'tiny' : null }));
        const last = await watchRun(client, run, { out: process.stderr, signal: abort.signal });
        if (last.execution === 'RUNNING') {
          say(`${run} is paused: the same command resumes it, here or on another machine`);
          process.exitCode = 130;
          return;
        }
        const result = await resultOf<RunResult>(client, run);
        print(json, result, () => outcomeLines(result, stack.hubUrl).join('\n'));
        process.exitCode = exitCodeOf(outcomeOf(result));
      } finally {
        await stack.stop();
        stopListening();
      }
    },
  );
}

/** Starts the run's workflow where none runs; says what it goes on from. */
export async function beginRun(p: {
  client: Client;
  stack: Pick<Stack, 'hub'>;
  run: RunName;
  asked: Omit<RunHereOptions, 'dataDir' | 'json'> & { run: string };
  /** The folder that was named; null: none. */
  source?: FolderSource | null;
  /** Profile for a machine without an accelerator; null: there is none. */
  fallback: Profile | null;
}): Promise<string> {
  const { client, run, asked } = p;
  if (await isRunning(client, run)) return `${run} resumes where this machine left it`;
  const hub = connectHub(p.stack.hub);
  const namespace = readInput('fineTune', asked).parsed.namespace ?? (await hub.whoAmI());
  const source = p.source ?? null;
  const recorded = await recordedInput(hub, { run, namespace, changes: asked });
  const first = { ...asked, ...(recorded === null ? { profile: await profileOf(p) } : {}) };
  const layer = await takeFrom(
    { hub, source, options: asked, config: readInput('fineTune', first).parsed },
    tell,
  );
  if (recorded !== null && source !== null) refuseOtherPictures(run, recorded, layer);
  const input = recorded ?? readInput('fineTune', first, layer).input;
  await startWorkflow(client, { type: 'fineTune', workflowId: run, input });
  return recorded === null ? `started ${pc.bold(run)}` : `${run} resumes from the Hub`;
}

/** A run goes on with the pictures that it began with. */
function refuseOtherPictures(run: string, recorded: object, layer: object): void {
  const sourceOf = (input: object) =>
    'dataset' in input ? (input.dataset as { source?: unknown }).source : undefined;
  const [known, asked] = [sourceOf(recorded), sourceOf(layer)];
  if (known === asked) return;
  throw new PipelineError(
    'InvalidInput',
    `run: expected the pictures that "${run}" was begun with (${String(known)}), got others in --from (${String(asked)}): choose another name for a run with these`,
  );
}

/** The profile that was asked for, or the one for this machine's accelerator, once its worker has looked. */
async function profileOf(p: {
  client: Client;
  asked: Pick<RunHereOptions, 'profile' | 'input' | 'set'>;
  fallback: Profile | null;
}): Promise<string> {
  const given = p.asked.profile ?? readInput('fineTune', p.asked).input.profile;
  if (given !== undefined) return String(given);
  for (const end = Date.now() + 300_000; Date.now() < end; await sleep(200))
    if ((await pollers(p.client, GPU_QUEUE)).length > 0) break;
  const found = (await profileOfGpuWorkers(p.client, null)) ?? p.fallback;
  if (found !== null) return found;
  throw new PipelineError(
    'InvalidInput',
    'expected a machine with an accelerator, got one without: FLUX.1-dev cannot be trained here. Choose a GPU, or name a profile with --profile',
  );
}

/** A run that another server knows must not be begun a second time beside it. */
function refuseOtherServer(): void {
  const env = processEnvironment();
  for (const name of ['TEMPORAL_ADDRESS', 'TEMPORAL_PROFILE'])
    if (env[name])
      throw new PipelineError(
        'InvalidInput',
        `expected no Temporal server, got ${name}=${env[name]}: "plein-air run" brings its own. Unset it, or start the workers for that server and use "plein-air start"`,
      );
}
