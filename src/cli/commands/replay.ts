import { existsSync } from 'node:fs';
import type { Client } from '@temporalio/client';
import type { Command } from 'commander';
import { workflowBundle } from '../../config/paths.ts';
import { cutMessage, ERROR_KINDS, PipelineError } from '../../domain/errors.ts';
import { connectClient } from '../connect.ts';
import { action, type CommonOptions } from '../context.ts';
import { print, table } from '../output.ts';

/** A run that the installed workflow code cannot replay. */
interface Unreplayable {
  run: string;
  message: string;
}

const UNITS = { h: 3_600_000, d: 86_400_000 } as const;

/** Adds `replay`: whether the installed workflow code can take over the runs of a server. */
export function addReplayCommand(program: Command): void {
  action<CommonOptions & { since: string }>(
    program
      .command('replay')
      .description('before an upgrade: replay the histories of a server on this version’s workflow code')
      .option('--since <time>', 'runs that started within this time, such as 12h or 30d', '30d'),
    async ({ env, dataDir, json }, { since }) => {
      const after = new Date(Date.now() - milliseconds(since));
      const client = await connectClient(dataDir);
      const encrypted = env.PLEIN_AIR_CODEC_KEYS !== undefined;
      const { replayed, failed } = await replayAll(client, after, workflowBundle({ encrypted }));
      print(json, { replayed, failed }, () =>
        failed.length === 0
          ? `${replayed} runs since ${after.toISOString().slice(0, 16)} replay on this version`
          : table(
              ['run', 'does not replay'],
              failed.map(({ run, message }) => [run, message]),
            ),
      );
      if (failed.length > 0) process.exitCode = ERROR_KINDS.Corrupt.exitCode;
    },
  );
}

function milliseconds(text: string): number {
  const [, count, unit] = /^(\d{1,5})([hd])$/.exec(text) ?? [];
  if (count === undefined || unit === undefined)
    throw new PipelineError('InvalidInput', `--since: expected a time such as 12h or 30d, got "${text}"`);
  return Number(count) * UNITS[unit as keyof typeof UNITS];
}

/** Replays one history after the other, so that memory holds one. */
async function replayAll(
  client: Client,
  after: Date,
  codePath: string,
): Promise<{ replayed: number; failed: Unreplayable[] }> {
  if (!existsSync(codePath))
    throw new PipelineError('InvalidInput', `expected compiled workflows in ${codePath}: npm run setup`);
  // Loaded here: its native code would slow down the start of every other command.
  const { Worker } = await import('@temporalio/worker');
  const runs = client.workflow.list({
    query: `StartTime > '${after.toISOString()}' AND TaskQueue = 'pipeline'`,
  });
  const results = Worker.runReplayHistories(
    {
      workflowBundle: { codePath },
      ...(client.options.dataConverter === undefined ? {} : { dataConverter: client.options.dataConverter }),
    },
    runs.intoHistories({ concurrency: 1 }),
  );
  const failed: Unreplayable[] = [];
  let replayed = 0;
  for await (const { workflowId, error } of results) {
    replayed += 1;
    if (error !== undefined) failed.push({ run: workflowId, message: cutMessage(error.message, 300) });
  }
  return { replayed, failed };
}
