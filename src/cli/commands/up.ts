import type { Command } from 'commander';
import { hubAccess } from '../../config/env.ts';
import pc from '../colors.ts';
import { action, type CommonOptions } from '../context.ts';
import { print, tell } from '../output.ts';
import { seedStack } from '../seed.ts';
import { untilInterrupted } from '../stack/interrupt.ts';
import { localSources } from '../stack/local-sessions.ts';
import { Stack } from '../stack/stack.ts';

/** What `--run-spaces` says of itself, wherever it is an option. */
export const RUN_SPACES =
  'run Spaces as processes of this machine, so that releases are tried before they are served';

/** Adds `up`: the embedded stack, until Ctrl+C. */
export function addUpCommand(program: Command): void {
  action<CommonOptions & { gpuWorkers: string; seed: boolean; runSpaces?: boolean }>(
    program
      .command('up')
      .description('start Temporal, the local Hub and the workers, and keep them until Ctrl+C')
      .option('--gpu-workers <count>', 'GPU workers at most: each starts when work waits', '1')
      .option('--run-spaces', RUN_SPACES)
      .option('--no-seed', 'leave out the generated WikiArt and the tiny base'),
    async ({ env, dataDir, json }, { gpuWorkers, seed, runSpaces }) => {
      const say = (line: string) => tell(pc.dim(line));
      // Before the first server starts: whatever is there at Ctrl+C is stopped.
      let isInterrupted = false;
      const interrupted = untilInterrupted().then(() => {
        isInterrupted = true;
      });
      const ownHub = hubAccess(env);
      say(`starting Temporal${ownHub === null ? ' and the local Hub' : ''} in ${dataDir} …`);
      const stack = await Stack.start(dataDir, env, { runSpaces, ownHub });
      try {
        if (seed && ownHub === null && !isInterrupted) {
          say('putting the generated WikiArt and the tiny base on the local Hub …');
          await Promise.race([seedStack(stack), interrupted]);
        }
        if (isInterrupted) return;
        say('starting the workers …');
        stack.startWorker('pipeline', { sources: localSources(Number(gpuWorkers)) });
        const studio = await stack.startStudio();
        const environment = stack.clientEnvironment();
        // Somebody's own token is printed nowhere.
        if (ownHub !== null) delete environment.HF_TOKEN;
        print(json, { ...environment, ui: stack.uiUrl, hub: stack.hubUrl, studio }, () =>
          [
            `${pc.bold('Plein Air is up')} in ${dataDir}`,
            `  Studio       ${studio}`,
            `  Temporal UI  ${stack.uiUrl}`,
            `  ${ownHub === null ? 'local Hub    ' : 'Hub          '}${stack.hubUrl}`,
            '',
            'For tctl, temporal and the Hub’s own clients in another terminal:',
            ...Object.entries(environment).map(([key, value]) => `  export ${key}=${value}`),
            `  export TEMPORAL_CLI_ADDRESS=${stack.address}`,
            '',
            'Start a run with "plein-air start --watch". Ctrl+C stops the servers and workers; runs continue at the next "plein-air up".',
          ].join('\n'),
        );
        await interrupted;
      } finally {
        await stack.stop();
      }
    },
  );
}
