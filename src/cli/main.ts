#!/usr/bin/env node
import { Command } from 'commander';
import { addHubCommands } from './commands/hub.ts';

// Data folders hold tokens, keys and private pictures: what is made here is for this user alone.
process.umask(0o077);

const program = new Command('plein-air')
  .description(
    'Fine-tunes FLUX.1-dev into an impressionist painter, on GPUs that may vanish; releases only what is measurably better.',
  )
  .version('0.1.0')
  .showHelpAfterError('run "plein-air --help" for what there is')
  .configureHelp({ sortSubcommands: false })
  .addHelpText(
    'after',
    '\nExit codes: 0 done · 2 bad input · 3 bad data · 4 diverged or out of memory · 5 corrupt · 8 Hub or Temporal · 9 budget · 10 gate refused · 11 Space put back · 70 fault of ours · 130 interrupted',
  );
// The Hub may serve for weeks in this process: it does not carry in memory what only the other commands need.
if (process.argv[2] !== 'hub') {
  const { addPipelineCommands } = await import('./commands/pipeline.ts');
  addPipelineCommands(program);
}
addHubCommands(program);
await program.parseAsync(process.argv.slice(2), { from: 'user' });
