import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { rebuildDocuments } from '../../activities/document/rebuild.ts';
import { parseFields } from '../../domain/config/run-config.ts';
import { RunName } from '../../domain/refs.ts';
import { runRepos } from '../../domain/run/repositories.ts';
import { mustParse } from '../../runs/start-run.ts';
import pc from '../colors.ts';
import { connectRunHub } from '../connect.ts';
import { action, type CommonOptions } from '../context.ts';
import { print, table } from '../output.ts';

/** Adds `report`: a run's documents built again from what it stored, beside what lies on the Hub. */
export function addReportCommand(program: Command): void {
  action<CommonOptions & { namespace?: string; out?: string }>(
    program
      .command('report')
      .argument('<run>', 'name of the run')
      .description(
        'build a run’s report and cards again from stored records; exit code 5 if other bytes come out',
      )
      .option('--namespace <name>', 'Hub user or organization of the run; default: the token’s owner')
      .option('--out <folder>', 'write them there; default: only compare with what is on the Hub'),
    async ({ env, dataDir, json }, options, operand) => {
      const run = mustParse('report', parseFields(RunName, operand));
      const hub = connectRunHub(env, dataDir);
      const namespace = options.namespace ?? (await hub.whoAmI());
      const record = { type: 'dataset', repo: runRepos(namespace, run, 'any').record } as const;
      const documents = await rebuildDocuments(hub, record);
      for (const { repo, path, content } of options.out === undefined ? [] : documents) {
        const file = join(String(options.out), ...repo.split('/'), ...path.split('/'));
        await mkdir(dirname(file), { recursive: true });
        await writeFile(file, content);
      }
      const listed = documents.map(({ content, ...rest }) => ({ ...rest, bytes: content.length }));
      print(json, { run, documents: listed, out: options.out ?? null }, () => describe(listed, options.out));
      if (documents.some(({ stored }) => stored !== 'same')) process.exitCode = 5;
    },
  );
}

function describe(
  documents: { repo: string; path: string; stored: string; bytes: number }[],
  out: string | undefined,
): string {
  const rows = documents.map(({ repo, path, stored, bytes }) => [
    repo,
    path,
    String(bytes),
    stored === 'same' ? pc.green('the stored bytes') : pc.red(stored),
  ]);
  const others = documents.filter(({ stored }) => stored !== 'same').length;
  const end =
    others === 0
      ? `all ${documents.length} documents come out as they are stored`
      : `${others} of ${documents.length} documents come out otherwise: they were written by another version of Plein Air, or changed since`;
  return `${table(['repository', 'document', 'bytes', 'built again'], rows)}\n\n${end}${out === undefined ? '' : `; written to ${out}`}`;
}
