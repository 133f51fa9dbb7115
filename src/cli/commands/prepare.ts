import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Client } from '@temporalio/client';
import type { Command } from 'commander';
import { mergeDeep } from '../../domain/config/run-config.ts';
import type { Analysis } from '../../domain/dataset/analysis-result.ts';
import type { PreparedDataset } from '../../domain/dataset/prepared-dataset.ts';
import { ERROR_KINDS } from '../../domain/errors.ts';
import type { Hub } from '../../hub/hub.ts';
import { importSource } from '../../wikiart/import-source.ts';
import pc from '../colors.ts';
import { connectClient, connectRunHub } from '../connect.ts';
import { action } from '../context.ts';
import { resultOf } from '../outcome.ts';
import { print, table } from '../output.ts';
import { startWorkflow, unservedQueues } from '../start-run.ts';
import { watchRun } from '../watch-run.ts';
import { type InputOptions, named, readInput, withInput } from './run.ts';

interface PrepareOptions extends InputOptions {
  from?: string;
}

/** Adds `prepare`: dataset and analysis without a training. */
export function addPrepareCommand(program: Command): void {
  action<PrepareOptions>(
    withInput(
      program
        .command('prepare')
        .description(
          'prepare and analyze a dataset, and train nothing; again with the same settings it is there at once',
        ),
    )
      .option('--run <name>', 'name of the preparation')
      .option('--profile <profile>', 'tiny, t4, l4, a100 or h100; default: tiny')
      .option(
        '--from <folder>',
        'take a local folder as the source: parquet files, or pictures with metadata.csv or .jsonl',
      ),
    async ({ dataDir, json, env }, options) => {
      const hub = connectRunHub(env, dataDir);
      const asked = readInput('prepare', options);
      const client = await connectClient(dataDir);
      const source =
        options.from === undefined
          ? {}
          : { dataset: { source: await bringSource(hub, options.from, asked.parsed.namespace) } };
      const { input, workflowId } = named(
        mergeDeep(asked.input, source) as Record<string, unknown>,
        'prepare',
      );
      await startWorkflow(client, { type: 'prepare', workflowId, input, summary: 'prepare a dataset' });
      if (asked.parsed.dataset.captioner !== null)
        for (const warning of await unservedQueues(client, asked.parsed.gpuSession))
          process.stderr.write(`${pc.yellow(`! ${warning}`)}\n`);
      const result = await follow(client, workflowId);
      const report = await fetchReport(hub, result.analysis, join(dataDir, 'reports', workflowId));
      print(json, { run: workflowId, ...result, report }, () => lines(result, report).join('\n'));
      if (result.analysis.verdict === 'blocked') process.exitCode = ERROR_KINDS.BadData.exitCode;
    },
  );
}

async function bringSource(hub: Hub, folder: string, namespace: string | null): Promise<string> {
  const imported = await importSource({
    hub,
    folder,
    namespace: namespace ?? (await hub.whoAmI()),
    onProgress: (done, total) => {
      if (process.stderr.isTTY)
        process.stderr.write(`\r  reading ${done} of ${total}${done === total ? '\n' : ''}`);
    },
  });
  process.stderr.write(
    `source: ${imported.pictures} pictures, ${imported.cached ? 'on the Hub already as' : 'put on the Hub as'} ${imported.repo}\n`,
  );
  return imported.repo;
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
