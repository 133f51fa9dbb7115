import type { Client } from '@temporalio/client';
import type { Command } from 'commander';
import { RunName } from '../../domain/refs.ts';
import { runRepos } from '../../domain/run/repositories.ts';
import type { RunStatus } from '../../domain/run/run-result.ts';
import type { Hub } from '../../hub/hub.ts';
import { findRun } from '../../runs/find-run.ts';
import { type LogEntry, runLog } from '../../runs/run-log.ts';
import { takeSnapshot } from '../../runs/run-snapshot.ts';
import pc, { writeLine } from '../colors.ts';
import { connectClient, connectRunHub } from '../connect.ts';
import { action, type CommandContext, type CommonOptions } from '../context.ts';
import { print, table } from '../output.ts';
import { readStack } from '../stack/stack-file.ts';

const EVERY_MS = 2000;

/** Adds the commands that show what happened in a run, and where it can be looked at: logs, open. */
export function addLookAtCommands(program: Command): void {
  action<CommonOptions & { follow?: boolean }>(
    program
      .command('logs')
      .argument('<run>', 'name of the run')
      .description('what has happened in a run, event by event, with its errors')
      .option('--follow', 'go on until the run has ended'),
    async ({ dataDir, json }, { follow }, operand) => {
      const client = await connectClient(dataDir);
      const { id } = await findRun(client, String(operand));
      let shown = 0;
      for (;;) {
        const isOver = (await client.workflow.getHandle(id).describe()).status.name !== 'RUNNING';
        const entries = await runLog(client, id);
        for (const entry of entries.slice(shown)) writeEntry(entry, id, json);
        shown = entries.length;
        if (follow !== true || isOver) break;
        await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
      }
    },
  );
  action<CommonOptions & { namespace?: string }>(
    program
      .command('open')
      .argument('<run>', 'name of the run')
      .description('where a run can be looked at: Temporal’s page, report, records, release')
      .option('--namespace <name>', 'Hub user or organization of the run; default: the token’s owner'),
    async (context, { namespace }, operand) => {
      const client = await connectClient(context.dataDir);
      const { id } = await findRun(client, String(operand));
      const places = await placesOf(context, client, { id, namespace });
      print(context.json, places, () =>
        table(
          ['what', 'where'],
          Object.entries(places).map(([what, where]) => [what, where]),
        ),
      );
    },
  );
}

function writeEntry({ at, workflowId, text, isError }: LogEntry, run: string, json: boolean): void {
  if (json) {
    writeLine(process.stdout, JSON.stringify({ at, workflowId, text, isError }));
    return;
  }
  const time = at.toISOString().slice(0, 19).replace('T', ' ');
  const where = workflowId === run ? '' : `${pc.dim(workflowId)} `;
  writeLine(process.stdout, `${pc.dim(time)} ${where}${isError ? pc.red(text) : text}`);
}

/** Addresses of all that shows a run; what is not there yet is left out. */
async function placesOf(
  { env, dataDir }: CommandContext,
  client: Client,
  p: { id: string; namespace: string | undefined },
): Promise<Record<string, string>> {
  const places: Record<string, string> = {};
  const ui = readStack(dataDir)?.temporal.ui;
  if (ui !== undefined)
    places.Temporal = `${ui}/namespaces/${client.options.namespace}/workflows/${encodeURIComponent(p.id)}`;
  const { status } = await takeSnapshot(client, p.id);
  const run = RunName.safeParse(status?.run ?? p.id);
  if (!run.success) return places;
  const hub = connectRunHub(env, dataDir);
  const namespace = p.namespace ?? (await hub.whoAmI());
  const { record, checkpoints } = runRepos(namespace, run.data, status?.model ?? 'any');
  const found = await Promise.all([
    isThere(hub, 'dataset', record, 'report/index.html'),
    isThere(hub, 'dataset', record),
    isThere(hub, 'model', checkpoints),
  ]);
  const root = `${hub.endpoint}/datasets/${record}`;
  if (found[0]) places.report = `${root}/resolve/main/report/index.html`;
  if (found[1]) places.records = root;
  if (found[2]) places.checkpoints = `${hub.endpoint}/${checkpoints}`;
  return { ...places, ...released(hub, status) };
}

async function isThere(hub: Hub, type: 'dataset' | 'model', repo: string, path?: string): Promise<boolean> {
  const ref = { type, repo } as Parameters<Hub['resolve']>[0];
  const head = await hub.resolve(ref);
  return head !== null && (path === undefined || (await hub.stat(ref, head, path)) !== null);
}

function released(hub: Hub, status: RunStatus | null): Record<string, string> {
  const release = status?.release;
  if (release == null) return {};
  const { repo, tag } = release.release;
  return {
    release: `${hub.endpoint}/${repo}/tree/${tag}`,
    ...(release.space === null ? {} : { Space: `${hub.endpoint}/spaces/${release.space.repo}` }),
  };
}
