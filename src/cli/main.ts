#!/usr/bin/env node
import { Command } from 'commander';
import { addHubCommands } from '../local-hub/cli.ts';
import { addDemoCommand } from './commands/demo.ts';
import { addDoctorCommand } from './commands/doctor.ts';
import { addRunCommands } from './commands/run.ts';
import { addScheduleCommands } from './commands/schedule.ts';
import { addSteerCommands } from './commands/steer.ts';
import { addUpCommand } from './commands/up.ts';

const program = new Command('plein-air')
  .description(
    'Fine-tunes FLUX.1-dev into an impressionist painter, on GPUs that may vanish; releases only what is measurably better.',
  )
  .version('0.1.0')
  .showHelpAfterError('run "plein-air --help" for what there is')
  .configureHelp({ sortSubcommands: false })
  .addHelpText(
    'after',
    '\nExit codes: 0 done · 2 bad input · 3 bad data · 4 diverged or out of memory · 5 corrupt · 8 Hub or Temporal · 9 budget · 10 gate refused · 70 fault of ours · 130 interrupted',
  );
addDemoCommand(program);
addUpCommand(program);
addRunCommands(program);
addSteerCommands(program);
addScheduleCommands(program);
addDoctorCommand(program);
addHubCommands(program);
await program.parseAsync(process.argv.slice(2), { from: 'user' });
