import { mkdirSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { bundleWorkflowCode, DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { execa } from 'execa';
import { type Child, startChild } from '../../../src/cli/stack/child.ts';
import { processEnvironment, pythonPath, readEnvironment, temporalPath } from '../../../src/config/env.ts';
import { PROJECT, TINY_BASE } from '../../../src/config/paths.ts';
import { parseRunConfig } from '../../../src/domain/config/run-config.ts';
import { type CommitRef, RepoId, RunName } from '../../../src/domain/refs.ts';
import type { TrainRequest } from '../../../src/domain/run/activities.ts';
import { runRepos } from '../../../src/domain/run/repositories.ts';
import type { Training } from '../../../src/domain/training/training.ts';
import { connectHub } from '../../../src/hub/client.ts';
import type { Hub } from '../../../src/hub/hub.ts';
import { freePort } from '../../../src/wire/free-port.ts';
import { isAlive, signalIfThere } from '../../../src/wire/processes.ts';
import { upload } from '../../activities/training-stand.ts';
import { TOKEN } from '../../local-hub/hub-in-test.ts';

/** A GPU machine of the fleet: a worker in an empty folder. */
export interface Machine {
  name: string;
  work: string;
  worker: Child;
  /** Trainers that were there before it. */
  older: Set<number>;
}

/** Real parts without a GPU: Temporal, local Hub, warm trainers on the tiny FLUX, and GPU workers that come and go. */
export class Fleet {
  readonly root: string;
  readonly traces: string;
  readonly hubUrl: string;
  readonly hub: Hub;
  readonly client: Client;
  /** Temporal's, on loopback. */
  readonly port: number;
  readonly #address: string;
  readonly #children: Child[];
  readonly #base: CommitRef;
  readonly #dataset: CommitRef;
  readonly #closing: (() => Promise<void>)[];
  #machines = 0;

  private constructor(p: {
    root: string;
    hubUrl: string;
    hub: Hub;
    client: Client;
    address: string;
    children: Child[];
    base: CommitRef;
    dataset: CommitRef;
    closing: (() => Promise<void>)[];
  }) {
    this.root = p.root;
    this.traces = join(p.root, 'warm');
    this.hubUrl = p.hubUrl;
    this.hub = p.hub;
    this.client = p.client;
    this.port = Number(p.address.split(':')[1]);
    this.#address = p.address;
    this.#children = p.children;
    this.#base = p.base;
    this.#dataset = p.dataset;
    this.#closing = p.closing;
  }

  /** Starts everything; when one part does not come up, the others are ended again. */
  static async open(): Promise<Fleet> {
    const children: Child[] = [];
    try {
      return await Fleet.#open(children);
    } catch (error) {
      await Promise.all(children.map((child) => child.kill()));
      throw error;
    }
  }

  static async #open(children: Child[]): Promise<Fleet> {
    const root = await mkdtemp(join(tmpdir(), 'plein-air-fleet-'));
    const python = pythonPath(readEnvironment());
    const spawn = (name: string, file: string, args: string[], env: Record<string, string> = {}) => {
      const child = startChild({
        ...{ name, file, args, cwd: root },
        env: { ...processEnvironment(), NODE_OPTIONS: '', ...env },
        logFile: join(root, `${name}.log`),
      });
      children.push(child);
      return child;
    };
    const [port, hubPort] = [await freePort(), await freePort()];
    const dev = ['server', 'start-dev', '--ip', '127.0.0.1', '--port', String(port), '--headless'];
    spawn('temporal', temporalPath(readEnvironment()), [...dev, '--log-level', 'error']);
    const main = join(PROJECT, 'dist', 'cli', 'main.js');
    const serve = [main, 'hub', 'serve', '--root', join(root, 'hub'), '--port', String(hubPort)];
    spawn('hub', process.execPath, serve);
    mkdirSync(join(root, 'warm'));
    spawn('warm', python, [join(PROJECT, 'test', 'chaos', 'lib', 'warm_trainer.py'), join(root, 'warm')], {
      PYTHONPATH: join(PROJECT, 'gpu-worker', 'src'),
      OMP_NUM_THREADS: '1',
      MKL_NUM_THREADS: '1',
    });
    const address = `127.0.0.1:${port}`;
    const hubUrl = `http://127.0.0.1:${hubPort}`;
    const hub = connectHub({ endpoint: hubUrl, accessToken: TOKEN });
    await until('the Hub answers', async () => (await hub.whoAmI()) !== '');
    const client = await until('Temporal answers', async () => {
      const connection = await Connection.connect({ address, connectTimeout: '1s' });
      await connection.workflowService.describeNamespace({ namespace: 'default' });
      return new Client({ connection });
    });
    await writeDataset(python, join(root, 'dataset'));
    const base = await upload(hub, { type: 'model', repo: RepoId.parse('plein-air/tiny-flux') }, TINY_BASE);
    const dataset = await upload(
      hub,
      { type: 'dataset', repo: RepoId.parse('plein-air/data') },
      join(root, 'dataset'),
    );
    const stopPipeline = await servePipeline(address);
    await until('trainers are warm', async () => (await readdir(join(root, 'warm'))).includes('python'));
    const closing = [stopPipeline, () => client.connection.close()];
    return new Fleet({ root, hubUrl, hub, client, address, children, base, dataset, closing });
  }

  /** A request to train a run; `change` goes over its configuration. */
  request(run: string, change: { training?: object; checkpoints?: object; budget?: object }): TrainRequest {
    const parsed = parseRunConfig({
      ...{ run, seed: 11, namespace: 'plein-air' },
      dataset: { resolution: 64 },
      training: { batchSize: 1, rank: 4, alpha: 4, warmupSteps: 5, sampleEvery: 0, ...change.training },
      tuning: { strategy: 'fixed', steps: 1 },
      checkpoints: { minSeconds: 0, ...change.checkpoints },
      budget: { attemptsWithoutProgress: 100, ...change.budget },
    });
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
    const name = RunName.parse(run);
    const ids = { workflowId: run, runId: run };
    return {
      context: {
        ...{ run: name, ...ids, config: parsed.value, namespace: 'plein-air' },
        ...{ base: this.#base, source: this.#dataset },
        repos: runRepos('plein-air', name, parsed.value.model),
      },
      ...{ dataset: this.#dataset, branch: 'main', parameters: {}, stopAtStep: null, acceptDifferences: [] },
    };
  }

  /** Starts a run's training as a workflow of its own. */
  async start(request: TrainRequest): Promise<{
    result: Promise<Training>;
    cancel: () => Promise<unknown>;
    signal: (name: 'pause' | 'resume') => Promise<void>;
  }> {
    const handle = await this.client.workflow.start('trainOnly', {
      taskQueue: 'pipeline',
      workflowId: request.context.run,
      args: [request],
    });
    const result = handle.result() as Promise<Training>;
    result.catch(() => undefined);
    return { result, cancel: () => handle.cancel(), signal: (name) => handle.signal(name) };
  }

  /** Starts a GPU worker in an empty folder. */
  async startMachine(env: Record<string, string> = {}): Promise<Machine> {
    this.#machines += 1;
    const name = `gpu-${this.#machines}`;
    const work = join(this.root, 'work', name);
    mkdirSync(work, { recursive: true });
    const older = new Set(await this.trainers());
    const worker = startChild({
      ...{ name, file: process.execPath, args: [join(PROJECT, 'dist', 'workers', 'gpu-worker.js')] },
      env: {
        ...processEnvironment(),
        ...{ NODE_OPTIONS: '', TEMPORAL_ADDRESS: this.#address, HF_ENDPOINT: this.hubUrl, HF_TOKEN: TOKEN },
        ...{ PLEIN_AIR_WORK_DIR: work, PLEIN_AIR_IDENTITY: name },
        PLEIN_AIR_PYTHON: join(this.traces, 'python'),
        ...env,
      },
      cwd: work,
      logFile: join(this.root, `${name}.log`),
    });
    this.#children.push(worker);
    return { name, work, worker, older };
  }

  /** Trainers that have ever been started, oldest first. */
  async trainers(): Promise<number[]> {
    const names = await readdir(this.traces).catch(() => []);
    return names.flatMap((name) => /^trace-(\d+)\.jsonl$/.exec(name)?.[1] ?? []).map(Number);
  }

  /** The newest trainer of a machine; null: it has none yet. */
  async trainerOf(machine: Machine, not: ReadonlySet<number> = new Set()): Promise<number | null> {
    const own = (await this.trainers()).filter((pid) => !machine.older.has(pid) && !not.has(pid));
    return own.find(isAlive) ?? null;
  }

  /** SIGKILL to worker and trainer at once, as a machine that vanishes; resolves when both are gone. */
  async vanish(machine: Machine): Promise<void> {
    const trainer = await this.trainerOf(machine);
    if (trainer !== null) signalIfThere(trainer, 'SIGKILL');
    await machine.worker.kill();
  }

  async close(): Promise<void> {
    for (const close of this.#closing) await close().catch(() => undefined);
    for (const pid of await this.trainers()) if (isAlive(pid)) signalIfThere(pid, 'SIGKILL');
    await Promise.all(this.#children.map((child) => child.kill()));
    await rm(this.root, { recursive: true, force: true });
  }
}

/** Longest that anything is waited for: machines of tests are busy. */
const PATIENCE_MS = 300_000;

/** Asks until something is true or there. */
export async function until<T>(
  what: string,
  ask: () => Promise<T | null | false> | T | null | false,
): Promise<T> {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const answer = await Promise.resolve()
      .then(ask)
      .catch(() => null);
    if (answer !== null && answer !== false) return answer;
    if (Date.now() > end) throw new Error(`expected that ${what}, waited in vain`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function servePipeline(address: string): Promise<() => Promise<void>> {
  const logger = new DefaultLogger('ERROR', () => undefined);
  Runtime.install({ logger, shutdownSignals: [] });
  const workflowsPath = join(PROJECT, 'test', 'chaos', 'lib', 'train-only.ts');
  const workflowBundle = await bundleWorkflowCode({ workflowsPath, logger });
  const connection = await NativeConnection.connect({ address });
  const worker = await Worker.create({ connection, taskQueue: 'pipeline', workflowBundle });
  const running = worker.run();
  return async () => {
    worker.shutdown();
    await running;
    await connection.close();
  };
}

async function writeDataset(python: string, folder: string): Promise<void> {
  const script =
    'import sys; from pathlib import Path; import small_dataset; small_dataset.write(Path(sys.argv[1]), train=12, held_out=2)';
  await execa(python, ['-c', script, folder], {
    env: { PYTHONPATH: join(PROJECT, 'gpu-worker', 'tests'), OMP_NUM_THREADS: '1' },
  });
}
