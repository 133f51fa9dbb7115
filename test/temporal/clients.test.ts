import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, symlinkSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { execa } from 'execa';
import type { RunStatus } from '../../src/domain/run/run-result.ts';
import { bundle } from '../workflow/environment.ts';
import { activities, contextOf } from '../workflow/fakes.ts';
import { devServer, ROOT, TEMPORAL } from './dev-server.ts';

/** Commands of one part of temporal/README.md by the word before the colon of their comments. */
function commandsOf(part: string): Map<string, string> {
  const readme = readFileSync(join(ROOT, 'temporal', 'README.md'), 'utf8');
  const block = readme.split(`\n## ${part}\n`)[1]?.split('```sh\n')[1]?.split('```')[0] ?? '';
  const lines = block.trim().split('\n');
  return new Map(
    lines.flatMap((line, i) => {
      const name = /^# ([\w-]+):/.exec(line)?.[1];
      return name === undefined ? [] : [[name, lines[i + 1] ?? '']];
    }),
  );
}

/** tctl from its cache, built when there is a Go to build it; null where there is neither. */
function findTctl(): string | null {
  const cache =
    process.env.PLEIN_AIR_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'plein-air');
  if (existsSync(join(cache, 'tctl-1.18.0'))) return join(cache, 'tctl-1.18.0');
  try {
    execFileSync('go', ['version'], { stdio: 'ignore' });
  } catch {
    return null;
  }
  return execFileSync(join(ROOT, 'temporal', 'tctl', 'build.sh'), { encoding: 'utf8' }).trim();
}

/** A folder in which the program has the name that the README calls it by. */
function binOf(name: string, program: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'plein-air-bin-'));
  symlinkSync(program, join(folder, name));
  return folder;
}

const tctl = findTctl();
if (tctl === null) process.stderr.write('tctl: SKIPPED, there is no Go to build it with\n');

let environment: TestWorkflowEnvironment;
let workers: Promise<void>;
let running: Worker[] = [];
let openReevaluate: () => void = () => undefined;
const held = new Promise<void>((resolve) => {
  openReevaluate = resolve;
});
beforeAll(async () => {
  const [server, workflowBundle] = await Promise.all([devServer(), bundle()]);
  environment = server;
  const operations = { searchAttributes: true, notifications: false };
  const steps: Parameters<typeof activities>[0] = {
    openRun: async ({ config, workflowId }) => ({ ...contextOf(config, workflowId), operations }),
    suggest: async () =>
      held.then(() => ({ next: 'trial', number: 0, parameters: {}, toStep: 40, reason: '' })),
    openRelease: async () => held.then(() => Promise.reject(new Error('held'))),
  };
  const shared = { connection: environment.nativeConnection, activities: activities(steps) };
  running = [
    await Worker.create({ ...shared, taskQueue: 'pipeline', workflowBundle }),
    await Worker.create({ ...shared, taskQueue: 'gpu' }),
  ];
  workers = Promise.all(running.map((worker) => worker.run())).then(() => undefined);
}, 200_000);
afterAll(async () => {
  openReevaluate();
  for (const worker of running) worker.shutdown();
  await workers;
  await environment?.teardown();
});

const handle = (id: string) => environment.client.workflow.getHandle(id);
const statusOf = (id: string) => handle(id).query<RunStatus>('status');

/** Looks again until it is so: visibility and workers answer in their own time. */
async function eventually(what: string, test: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 300; i++) {
    if (await test().catch(() => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`expected ${what}, and it did not come about`);
}
const state = (id: string, wanted: string) =>
  eventually(`${id} ${wanted}`, async () => (await handle(id).describe()).status.name === wanted);
const waiting = () =>
  eventually(
    'my-run to wait for approval',
    async () => (await statusOf('my-run')).state === 'waiting-for-approval',
  );
const schedule = async () => environment.client.schedule.getHandle('nightly').describe();

/** What has to be so after each command; the order is the README's. */
function storyOf(
  run: (name: string) => Promise<string>,
  approve: 'update' | 'approve',
): [string, () => Promise<void>][] {
  const step = (
    name: string,
    then: (output: string) => Promise<void> | void,
  ): [string, () => Promise<void>] => [name, async () => then(await run(name))];
  return [
    step('start', waiting),
    step('query', (out) => {
      expect(out).toContain('waiting-for-approval');
      expect(out).toContain('plein-air approve');
    }),
    step('show', (out) => expect(out).toContain('WorkflowExecutionStarted')),
    step('pause', () =>
      eventually('my-run to be paused', async () => (await statusOf('my-run')).state === 'paused'),
    ),
    step('resume', () => waiting()),
    step(approve, async () => {
      await state('my-run', 'COMPLETED');
      expect((await statusOf('my-run')).release?.release.tag).toBe('v1');
    }),
    step('reset', async () => {
      await eventually('a run after the reset', async () => {
        const { raw } = await handle('my-run').describe();
        return raw.workflowExecutionInfo?.firstRunId !== raw.workflowExecutionInfo?.execution?.runId;
      });
      await state('my-run', 'COMPLETED');
    }),
    ['list', () => eventually('my-run in the list', async () => (await run('list')).includes('my-run'))],
    step('tune', () => state('my-study', 'RUNNING')),
    step('cancel', () => state('my-study', 'CANCELLED')),
    step('reevaluate', () => state('look-again', 'RUNNING')),
    step('terminate', () => state('look-again', 'TERMINATED')),
    step('rollback', () => state('back-1', 'COMPLETED')),
    ...(approve === 'update' ? [step('result', (out: string) => expect(out).toContain('v1'))] : []),
    step('schedule-create', async () => {
      const { spec, policies } = await schedule();
      expect(spec.timezone ?? 'UTC').toMatch(/UTC/);
      expect(policies).toMatchObject({ overlap: 'SKIP', catchupWindow: 3_600_000, pauseOnFailure: true });
    }),
    [
      'schedule-list',
      () =>
        eventually('the schedule in the list', async () => (await run('schedule-list')).includes('nightly')),
    ],
    step('schedule-trigger', () =>
      eventually('a triggered run', async () => (await schedule()).info.recentActions.length > 0),
    ),
    step('schedule-describe', (out) => expect(out).toContain('reevaluate')),
    step('schedule-pause', async () => expect((await schedule()).state.paused).toBe(true)),
    step('schedule-resume', async () => expect((await schedule()).state.paused).toBe(false)),
    step('schedule-delete', async () => {
      await expect(schedule()).rejects.toThrow(/not found/i);
      for await (const { workflowId } of environment.client.workflow.list({
        query: "ExecutionStatus = 'Running'",
      }))
        await handle(workflowId).terminate('the story is over');
    }),
  ];
}

for (const [part, program, approve] of [
  ['temporal', TEMPORAL, 'update'],
  ['tctl', tctl, 'approve'],
] as const) {
  const described = program === null ? describe.skip : describe;
  described(`${part}, as temporal/README.md says`, () => {
    const commands = commandsOf(part);
    const bin = binOf(part, String(program));
    const run = async (name: string) => {
      const { all, exitCode } = await execa('bash', ['-c', commands.get(name) ?? 'false'], {
        env: {
          PATH: `${bin}:${process.env.PATH}`,
          TEMPORAL_ADDRESS: environment.address,
          TEMPORAL_CLI_ADDRESS: environment.address,
          NODE_OPTIONS: '',
        },
        all: true,
        reject: false,
      });
      if (exitCode !== 0) throw new Error(`${commands.get(name)}\n${all}`);
      return all;
    };
    const story = storyOf((name) => run(name), approve);

    it('has a step here for every command there', () => {
      expect(story.map(([name]) => name)).toEqual([...commands.keys()]);
    });
    it.each(story)('%s', async (_name, check) => check());
  });
}
