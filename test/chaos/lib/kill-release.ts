import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import type { Release } from '../../../src/domain/release/release.ts';
import { connectHub } from '../../../src/hub/client.ts';
import type { Hub } from '../../../src/hub/hub.ts';
import { startLocalHub } from '../../../src/local-hub/server.ts';
import { listReleases, PREVIOUS, PRODUCTION, releaseRepo, tagAt } from '../../../src/releases/catalog.ts';
import { readJournal } from '../../../src/releases/journal.ts';
import { connectSpaceApp } from '../../../src/space/gradio.ts';
import { servedRelease } from '../../../src/space/space-repo.ts';
import { runInTest } from '../../activities/run-in-test.ts';

const TOKEN = 'hf_local_plein_air';
const PYTHON = resolve('gpu-worker/.venv/bin/python');
const repos = { release: 'team/painter' as never, space: 'team/painter-space' as never };

/** When the worker is killed: after its n-th step, after a random part of an operation's usual time, or never. */
export type Kill = { step: number } | { fraction: number } | null;

export interface KillReport {
  kills: number;
  operations: number;
  /** Seconds of an undisturbed deployment and rollback. */
  seconds: { deploy: number; rollback: number };
  /** Steps that an undisturbed operation says. */
  steps: { deploy: number; rollback: number };
  problems: string[];
}

/** Deploys and rolls back, killing the worker with SIGKILL on the way, and checks what stands after each. */
export class KillStand {
  readonly hub: Hub;
  readonly #temporal: TestWorkflowEnvironment;
  readonly #worker: (listen: (line: string) => void) => Promise<ChildProcess>;
  readonly #close: () => Promise<void>;
  #operations = 0;

  private constructor(p: {
    hub: Hub;
    temporal: TestWorkflowEnvironment;
    worker: (listen: (line: string) => void) => Promise<ChildProcess>;
    close: () => Promise<void>;
  }) {
    this.hub = p.hub;
    this.#temporal = p.temporal;
    this.#worker = p.worker;
    this.#close = p.close;
  }

  static async open(): Promise<KillStand> {
    const root = await mkdtemp(join(tmpdir(), 'release-kill-'));
    const server = await startLocalHub({ root: join(root, 'hub'), runSpaces: { python: PYTHON } });
    const path = resolve('.tools/bin/temporal');
    const temporal = await TestWorkflowEnvironment.createLocal({
      server: { executable: { type: 'existing-path', path } },
    });
    const { code } = await bundleWorkflowCode({
      workflowsPath: resolve('test/chaos/lib/release-workflows.ts'),
      logger: new DefaultLogger('ERROR', () => undefined),
    });
    const codePath = join(root, 'workflows.js');
    await writeFile(codePath, code);
    const args = ['test/chaos/lib/release-worker.ts', temporal.address, server.url, TOKEN, codePath];
    return new KillStand({
      hub: connectHub({ endpoint: server.url, accessToken: TOKEN }),
      temporal,
      worker: (listen) => startWorker(args, listen),
      close: async () => {
        await temporal.teardown();
        await server.close();
        await rm(root, { recursive: true, force: true });
      },
    });
  }

  close(): Promise<void> {
    return this.#close();
  }

  /** One operation by its workflow; the answer is what went wrong, how long it took, and what it said. */
  async operate(action: 'deploy' | 'rollback', kill: Kill, usualMs: number) {
    this.#operations += 1;
    const id = `${action}-${this.#operations}`;
    const isThere = (await this.hub.resolve(releaseRepo(repos.release))) !== null;
    const before = isThere ? await tagAt(this.hub, repos.release, PRODUCTION) : null;
    const previous = isThere ? await tagAt(this.hub, repos.release, PREVIOUS) : null;
    const args =
      action === 'deploy'
        ? await runInTest({
            hub: this.hub,
            namespace: 'team',
            run: id,
            config: { evaluation: { size: 64 }, deployment: { startMinutes: 5 } },
          })
        : { model: 'painter', namespace: 'team', reason: `${id} of the kill test` };
    const steps: string[] = [];
    let killed = false;
    let victim: ChildProcess | null = null;
    const strike = () => {
      if (killed || victim === null) return;
      killed = true;
      victim.kill('SIGKILL');
    };
    victim = await this.#worker((line) => {
      steps.push(line);
      if (kill !== null && 'step' in kill && steps.length === kill.step) strike();
    });
    const started = performance.now();
    const handle = await this.#temporal.client.workflow.start(
      action === 'deploy' ? 'deployRelease' : action,
      {
        taskQueue: 'pipeline',
        workflowId: id,
        args: [args],
      },
    );
    if (kill !== null && 'fraction' in kill) void sleep(kill.fraction * usualMs).then(strike);
    const done = handle.result() as Promise<Release>;
    const problems: string[] = [];
    const ended = new Promise<void>((gone) => victim?.once('exit', () => gone()));
    const first = await Promise.race([done.then(() => 'done' as const), ended.then(() => 'killed' as const)]);
    let successor: ChildProcess | null = null;
    if (first === 'killed') {
      problems.push(...(await this.#isWhole(`${id} between`, { old: before, previous, action })));
      successor = await this.#worker(() => undefined);
    }
    const release = await done;
    const ms = performance.now() - started;
    for (const child of [victim, successor]) await stop(child);
    problems.push(...(await this.#isWhole(`${id} end`, release.release.tag)));
    const last = (await readJournal(this.hub, repos.release)).at(-1);
    if (last?.state !== 'done' || last.tag !== release.release.tag)
      problems.push(`${id}: the journal ends with ${last?.state} ${last?.tag}`);
    return { problems, ms, steps, killed: first === 'killed' };
  }

  /**
   * At the end `production`, its bytes, the Space's files and the running app all name the expected release; in between,
   * before anybody went on, `production` is the old one or the new one, and whole.
   */
  async #isWhole(
    when: string,
    expected: string | { old: string | null; previous: string | null; action: string },
  ): Promise<string[]> {
    const { hub } = this;
    const tag = await tagAt(hub, repos.release, PRODUCTION);
    const releases = await listReleases(hub, repos.release);
    const entry = releases.find((r) => r.tag === tag);
    if (entry === undefined)
      return typeof expected !== 'string' && tag === expected.old ? [] : [`${when}: production is ${tag}`];
    const bytes = await hub.read(releaseRepo(repos.release), PRODUCTION, entry.provenance.adapter.path);
    const sha256 = createHash('sha256')
      .update(bytes ?? '')
      .digest('hex');
    const problems: string[] = [];
    if (sha256 !== entry.provenance.adapter.sha256) problems.push(`${when}: production ${tag} has ${sha256}`);
    if (typeof expected !== 'string') {
      const next = expected.action === 'deploy' ? releases[0]?.tag : expected.previous;
      if (tag !== expected.old && tag !== next)
        problems.push(`${when}: production is ${tag}, neither ${expected.old} nor ${next}`);
      return problems;
    }
    if (tag !== expected) problems.push(`${when}: expected ${expected} in production, got ${tag}`);
    const files = await servedRelease(hub, repos.space);
    if (files?.adapterSha256 !== sha256) problems.push(`${when}: the Space's files pin ${files?.tag}`);
    const app = await connectSpaceApp((await hub.spaceHost(repos.space)) ?? '', TOKEN, 20_000);
    const served = await app.served(20_000);
    app.close();
    if (served.adapterSha256 !== sha256 || served.revision !== entry.commit)
      problems.push(`${when}: the running app serves ${served.tag}, ${served.adapterSha256}`);
    return problems;
  }
}

async function startWorker(args: string[], listen: (line: string) => void): Promise<ChildProcess> {
  const child = spawn(process.execPath, ['scripts/ts.mjs', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let words = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(-2000);
  });
  let rest = '';
  await new Promise<void>((ready, failed) => {
    child.once('exit', () => failed(new Error(`the worker ended while starting: ${words}`)));
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines)
        if (line === 'ready') ready();
        else if (line.startsWith('step ')) listen(line.slice(5));
    });
  });
  return child;
}

async function stop(child: ChildProcess | null): Promise<void> {
  if (child === null || child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((done) => child.once('exit', () => done()));
  child.kill('SIGKILL');
  await gone;
}

/** Every step of both operations, then `random` moments of each; `say` hears how it goes. */
export async function killReleases(p: {
  random: number;
  everyStep: boolean;
  /** Default: both. */
  actions?: readonly ('deploy' | 'rollback')[];
  seed: number;
  say: (line: string) => void;
}): Promise<KillReport> {
  const stand = await KillStand.open();
  const report: KillReport = {
    ...{ kills: 0, operations: 0, problems: [] },
    ...{ seconds: { deploy: 0, rollback: 0 }, steps: { deploy: 0, rollback: 0 } },
  };
  const random = generator(p.seed);
  const operate = async (action: 'deploy' | 'rollback', kill: Kill) => {
    const made = await stand.operate(action, kill, report.seconds[action] * 1000);
    report.operations += 1;
    report.kills += made.killed ? 1 : 0;
    report.problems.push(...made.problems);
    p.say(
      `${report.operations}: ${action} ${JSON.stringify(kill)} ${(made.ms / 1000).toFixed(1)} s${made.problems.map((w) => `\n  ${w}`).join('')}`,
    );
    return made;
  };
  try {
    await operate('deploy', null);
    if (p.actions?.includes('deploy') === false) await operate('deploy', null);
    for (const action of p.actions ?? (['deploy', 'rollback'] as const)) {
      const undisturbed = await operate(action, null);
      report.seconds[action] = undisturbed.ms / 1000;
      report.steps[action] = undisturbed.steps.length;
      const moments: Kill[] = [
        ...(p.everyStep ? distinctSteps(undisturbed.steps).map((step) => ({ step })) : []),
        ...Array.from({ length: p.random }, () => ({ fraction: random() })),
      ];
      for (const kill of moments) await operate(action, kill);
    }
  } finally {
    await stand.close();
  }
  return report;
}

/** Places at which something new was said: repeated looks at a starting Space count once. */
function distinctSteps(steps: string[]): number[] {
  return steps.flatMap((step, i) => (steps.indexOf(step) === i ? [i + 1] : []));
}

function generator(seed: number): () => number {
  let n = 0;
  return () => createHash('sha256').update(`${seed} ${n++}`).digest().readUInt32BE() / 2 ** 32;
}
