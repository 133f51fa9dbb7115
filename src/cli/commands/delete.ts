import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import type { Command } from 'commander';
import { parseFields } from '../../domain/config/run-config.ts';
import { PipelineError } from '../../domain/errors.ts';
import { type RepoRef, RunName } from '../../domain/refs.ts';
import { runRepos } from '../../domain/run/repositories.ts';
import { StoredSummary, SUMMARY_RECORD } from '../../domain/run/summary.ts';
import type { Hub } from '../../hub/hub.ts';
import { mustParse } from '../../runs/start-run.ts';
import { isYes, ownTerminal } from '../ask.ts';
import { connectClient, connectRunHub } from '../connect.ts';
import { action, type CommonOptions } from '../context.ts';
import { print } from '../output.ts';

/** Adds `delete`: what a run left behind goes; its model and its dataset, which others may use, stay. */
export function addDeleteCommand(program: Command): void {
  action<CommonOptions & { namespace?: string; yes: boolean; released: boolean }>(
    program
      .command('delete')
      .argument('<run>', 'name of the run')
      .description('remove the repositories and the history of a run that has ended')
      .option('--namespace <name>', 'Hub user or organization of the run; default: the token’s owner')
      .option(
        '--released',
        'also a run that a release was made from: the release stays, its report goes',
        false,
      )
      .option('--yes', 'do not ask', false),
    async ({ env, dataDir, json }, options, operand) => {
      const run = mustParse('delete', parseFields(RunName, operand));
      const client = await connectClient(dataDir);
      const hub = connectRunHub(env, dataDir);
      const namespace = options.namespace ?? (await hub.whoAmI());
      const { record, checkpoints } = runRepos(namespace, run, 'any');
      const repos: RepoRef[] = [
        { type: 'model', repo: checkpoints },
        { type: 'dataset', repo: record },
      ];
      const there = await Promise.all(repos.map(async (repo) => (await hub.resolve(repo)) !== null));
      const found = repos.filter((_, at) => there[at]);
      const history = await historyOf(client, run);
      if (history === 'running')
        throw new PipelineError(
          'InvalidInput',
          `expected a run that has ended, got "${run}", which is under way: cancel it first ("plein-air cancel ${run}")`,
        );
      if (found.length === 0 && history === null)
        throw new PipelineError(
          'InvalidInput',
          `expected a run, got "${run}": neither ${hub.endpoint} in ${namespace} nor Temporal knows it`,
        );
      const release = await releaseOf(hub, { type: 'dataset', repo: record });
      if (release !== null && !options.released)
        throw new PipelineError(
          'InvalidInput',
          `${release} was made from "${run}", and its card and report refer to it: add --released to remove the run anyway`,
        );
      const names = [
        ...found.map(({ repo }) => repo),
        ...(history === null ? [] : ['its history in Temporal']),
      ];
      await confirm(`Remove for good: ${names.join(', ')}`, options.yes);
      for (const repo of found) await hub.deleteRepo(repo);
      if (history !== null) await forget(client, run);
      print(json, { run, removed: names }, () => `removed ${names.join(', ')}`);
    },
  );
}

async function historyOf(client: Client, run: string): Promise<'running' | 'ended' | null> {
  try {
    return (await client.workflow.getHandle(run).describe()).status.name === 'RUNNING' ? 'running' : 'ended';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return null;
    throw error;
  }
}

async function forget(client: Client, workflowId: string): Promise<void> {
  await client.workflowService.deleteWorkflowExecution({
    namespace: client.options.namespace,
    workflowExecution: { workflowId },
  });
}

/** The release that was made from a run; null: none, or the run's summary cannot be read. */
async function releaseOf(hub: Hub, record: RepoRef): Promise<string | null> {
  const head = await hub.resolve(record);
  const bytes = head === null ? null : await hub.read(record, head, SUMMARY_RECORD);
  if (bytes === null) return null;
  try {
    const release = StoredSummary.parse(JSON.parse(bytes.toString('utf8'))).summary.release?.release;
    return release === undefined ? null : `${release.repo} ${release.tag}`;
  } catch {
    // Written by another version: better asked once more than gone.
    return 'a release that cannot be read';
  }
}

async function confirm(what: string, yes: boolean): Promise<void> {
  if (yes) return;
  const terminal = ownTerminal();
  if (!terminal.isTTY) throw new PipelineError('InvalidInput', `expected --yes. ${what}`);
  if (!isYes(await terminal.ask(`${what}? [y/N] `)))
    throw new PipelineError('InvalidInput', 'nothing was removed');
}
