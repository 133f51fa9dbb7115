import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Client } from '@temporalio/client';
import type { Command } from 'commander';
import type { Analysis } from '../../domain/dataset/analysis-result.ts';
import type { PreparedDataset } from '../../domain/dataset/prepared-dataset.ts';
import { ERROR_KINDS } from '../../domain/errors.ts';
import type { Hub } from '../../hub/hub.ts';
import { named, readInput } from '../../runs/run-input.ts';
import { startWorkflow, unservedQueues } from '../../runs/start-run.ts';
import pc from '../colors.ts';
import { connectClient, connectRunHub } from '../connect.ts';
import { action } from '../context.ts';
import { type FromOptions, lookAtFrom, takeFrom, withFrom } from '../from-folder.ts';
import { resultOf } from '../outcome.ts';
import { print, table, tell } from '../output.ts';
import { projectSettings } from '../project-settings.ts';
import { watchRun } from '../watch-run.ts';
import { type InputOptions, withInput } from './run.ts';

type PrepareOptions = InputOptions & FromOptions;

/** Adds `prepare`: dataset and analysis without a training. */
export function addPrepareCommand(program: Command): void {
  action<PrepareOptions>(
    withFrom(
      withInput(
        program
          .command('prepare')
          .description('prepare and analyze a dataset without training; cached by its settings'),
      )
        .option('--run <name>', 'name of the preparation')
        .option('--profile <profile>', 'tiny, t4, l4, a100 or h100; default: tiny'),
    ),
    async ({ dataDir, json, env }, options) => {
      options.project = projectSettings();
      const first = readInput('prepare', options).parsed;
      const source = await lookAtFrom(options, tell);
      const hub = connectRunHub(env, dataDir);
      const client = await connectClient(dataDir);
      const asked = readInput(
        'prepare',
        options,
        await takeFrom({ hub, source, options, config: first }, tell),
      );
      const { input, workflowId } = named(asked.input, 'prepare');
      await startWorkflow(client, { type: 'prepare', workflowId, input, summary: 'prepare a dataset' });
      if (asked.parsed.dataset.captioner !== null)
        for (const warning of await unservedQueues(client, asked.parsed.gpuSession))
          tell(pc.yellow(`! ${warning}`));
      const result = await follow(client, workflowId);
      const report = await fetchReport(hub, result.analysis, join(dataDir, 'reports', workflowId));
      print(json, { run: workflowId, ...result, report }, () => lines(result, report).join('\n'));
      if (result.analysis.verdict === 'blocked') process.exitCode = ERROR_KINDS.BadData.exitCode;
    },
  );
}

async function follow(
  client: Client,
  run: string,
): Promise<{ dataset: PreparedDataset; analysis: Analysis }> {
  await watchRun(client, run, { out: process.stderr });
  return resultOf(client, run);
}

/** Puts the analysis beside the data, so that it opens without a server; null when the Hub has none. */
async function fetchReport(hub: Hub, { record }: Analysis, folder: string): Promise<string | null> {
  const html = await hub.read(record, record.commit, 'analysis/index.html');
  if (html === null) return null;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'analysis.html'), html);
  return pathToFileURL(join(folder, 'analysis.html')).href;
}

function lines(
  { dataset, analysis }: { dataset: PreparedDataset; analysis: Analysis },
  report: string | null,
): string[] {
  const dropped = Object.entries(dataset.dropped).filter(([, count]) => count > 0);
  return [
    `${pc.bold(dataset.dataset.repo)}${dataset.cached ? ' (there already)' : ''}`,
    table(
      ['pictures', ''],
      [...Object.entries(dataset.images), ...dropped].map(([name, count]) => [name, String(count)]),
    ),
    `${analysis.verdict === 'ready' ? pc.green('ready') : pc.yellow(analysis.verdict)}`,
    ...analysis.reasons.map((reason) => `  ${reason}`),
    ...(report === null ? [] : [`analysis ${report}`]),
  ];
}
