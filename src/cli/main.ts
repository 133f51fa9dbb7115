#!/usr/bin/env node
import { Command } from 'commander';
import { ERROR_KINDS } from '../domain/errors.ts';
import { addCommands } from './commands/pipeline.ts';

// Data folders hold tokens, keys and private pictures: what is made here is for this user alone.
process.umask(0o077);

const program = new Command('plein-air')
  .description(
    'Fine-tunes FLUX.1-dev into an impressionist painter, on GPUs that may vanish; releases only what is measurably better.',
  )
  .version('0.1.0')
  .showHelpAfterError('Run "plein-air --help" for the list of commands.')
  .configureHelp({ sortSubcommands: false })
  // A mistake on the command line is bad input like any other.
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : ERROR_KINDS.InvalidInput.exitCode))
  .addHelpText(
    'after',
    '\nExit codes: 0 done · 2 bad input · 3 bad data · 4 diverged or out of memory · 5 corrupt · 6 fenced · 7 trainer died · 8 Hub or Temporal · 9 budget · 10 gate refused · 11 Space reverted · 70 internal error · 130 interrupted or cancelled',
  );
const asked = process.argv.slice(2);
await addCommands(program, asked);
await program.parseAsync(asked, { from: 'user' });
