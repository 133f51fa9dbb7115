import { WorkflowNotFoundError } from '@temporalio/client';
import type { Command } from 'commander';
import { dataFolder, type Environment, readEnvironment } from '../config/env.ts';
import { PipelineError } from '../domain/errors.ts';
import { closeConnections } from './connect.ts';
import { reportError } from './output.ts';

/** Options that every command takes. */
export interface CommonOptions {
  json: boolean;
  dataDir?: string;
}

/** What every command works with. */
export interface CommandContext {
  env: Environment;
  dataDir: string;
  json: boolean;
}

/** A workflow that the server does not know is a name that the user got wrong. */
function unknownRun(error: unknown): unknown {
  if (!(error instanceof WorkflowNotFoundError)) return error;
  return new PipelineError(
    'InvalidInput',
    `expected a run, got "${error.workflowId}", which this Temporal server does not know or which has ended: "plein-air status" lists the runs`,
    { cause: error },
  );
}

/** Adds the common options and runs the command; an error is printed one way and sets the exit code. */
export function action<O extends CommonOptions>(
  command: Command,
  run: (context: CommandContext, options: O, ...operands: (string | undefined)[]) => Promise<void>,
): Command {
  return command
    .option('--json', 'print JSON', false)
    .option('--data-dir <folder>', 'folder of the embedded stack (default: .plein-air)')
    .action(async (...all: unknown[]) => {
      const options = command.opts<O>();
      const operands = all.slice(0, -2) as (string | undefined)[];
      try {
        const env = readEnvironment();
        await run(
          { env, dataDir: dataFolder(env, options.dataDir), json: options.json },
          options,
          ...operands,
        );
      } catch (error) {
        reportError(unknownRun(error), options.json);
      } finally {
        await closeConnections();
      }
    });
}
