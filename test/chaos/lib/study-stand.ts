import { mkdirSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { execa } from 'execa';
import { type Child, startChild } from '../../../src/cli/stack/child.ts';
import { processEnvironment, pythonPath, readEnvironment, temporalPath } from '../../../src/config/env.ts';
import { PROJECT } from '../../../src/config/paths.ts';
import { parseRunConfig } from '../../../src/domain/config/run-config.ts';
import { type CommitRef, RepoId, type RepoRef, RunName } from '../../../src/domain/refs.ts';
import type { RunContext } from '../../../src/domain/run/context.ts';
import { runRepos } from '../../../src/domain/run/repositories.ts';
import { connectHub } from '../../../src/hub/client.ts';
import type { Hub } from '../../../src/hub/hub.ts';
import { freePort } from '../../../src/wire/free-port.ts';
import { TOKEN } from '../../local-hub/hub-in-test.ts';

const WRITE = `
import sys
from pathlib import Path
import small_dataset, small_flux
small_flux.build(Path(sys.argv[1]) / "base")
small_dataset.write(Path(sys.argv[1]) / "dataset", train=8, held_out=2)
`;

export const MACHINES = ['temporal', 'hub', 'pipeline', 'gpu-1', 'gpu-2'] as const;
export type Machine = (typeof MACHINES)[number];

/**
 * Temporal, the local Hub, a pipeline worker and two GPU workers, all processes of their own that can be killed and started
 * again, on a folder that outlives them. The GPU workers train a real FLUX, the smallest that the tests have.
 */
export class StudyStand {
  readonly root: string;
  readonly hub: Hub;
  readonly #ports: { temporal: number; hub: number };
  readonly #running = new Map<Machine, Child>();
  #starts = 0;
  #base: CommitRef | null = null;
  #dataset: CommitRef | null = null;

  private constructor(root: string, ports: { temporal: number; hub: number }) {
    this.root = root;
    this.#ports = ports;
    this.hub = connectHub({ endpoint: `http://127.0.0.1:${ports.hub}`, accessToken: TOKEN });
  }

  static async open(): Promise<StudyStand> {
    const root = await mkdtemp(join(tmpdir(), 'plein-air-study-'));
    for (const folder of ['logs', 'hub', 'work']) mkdirSync(join(root, folder));
    const stand = new StudyStand(root, { temporal: await freePort(), hub: await freePort() });
    stand.start('temporal');
    stand.start('hub');
    await stand.#fill();
    const { connection } = await stand.client();
    await connection.close();
    for (const machine of ['pipeline', 'gpu-1', 'gpu-2'] as const) stand.start(machine);
    return stand;
  }

  async close(): Promise<void> {
    for (const machine of ['gpu-1', 'gpu-2', 'pipeline', 'temporal', 'hub'] as const)
      await this.#running.get(machine)?.stop(5);
    await rm(this.root, { recursive: true, force: true });
  }

  /** SIGKILL to a machine and all that it started; another one takes its place at once, workers in an empty folder. */
  async replace(machine: Machine): Promise<void> {
    await this.#running.get(machine)?.kill();
    this.start(machine);
  }

  /** Starts again whatever has ended by itself. */
  revive(): Machine[] {
    const dead = MACHINES.filter((machine) => this.#running.get(machine)?.isRunning() === false);
    for (const machine of dead) this.start(machine);
    return dead;
  }

  /** A client once the server answers. */
  async client(): Promise<{ client: Client; connection: Connection }> {
    for (;;) {
      try {
        const address = `127.0.0.1:${this.#ports.temporal}`;
        const connection = await Connection.connect({ address, connectTimeout: '2s' });
        await connection.workflowService.describeNamespace({ namespace: 'default' });
        return { client: new Client({ connection }), connection };
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    }
  }

  start(machine: Machine): void {
    this.#starts += 1;
    const { file, args, env } = this.#command(machine);
    this.#running.set(
      machine,
      startChild({
        name: machine,
        file,
        args,
        env: { ...processEnvironment(), OMP_NUM_THREADS: '1', ...env },
        cwd: this.root,
        logFile: join(this.root, 'logs', `${machine}.log`),
      }),
    );
  }

  #command(machine: Machine): { file: string; args: string[]; env: Record<string, string> } {
    const { temporal, hub } = this.#ports;
    const local = readEnvironment();
    const built = (path: string) => join(PROJECT, 'dist', path);
    switch (machine) {
      case 'temporal':
        return {
          file: temporalPath(local),
          args: `server start-dev --headless --ip 127.0.0.1 --port ${temporal} --log-level error --db-filename ${join(this.root, 'temporal.db')}`.split(
            ' ',
          ),
          env: {},
        };
      case 'hub':
        return {
          file: process.execPath,
          args: [
            built('cli/main.js'),
            'hub',
            'serve',
            '--root',
            join(this.root, 'hub'),
            '--port',
            String(hub),
          ],
          env: {},
        };
      case 'pipeline':
      case 'gpu-1':
      case 'gpu-2': {
        const work = join(this.root, 'work', `${machine}-${this.#starts}`);
        mkdirSync(work);
        return {
          file: process.execPath,
          args: [
            built(`workers/${machine === 'pipeline' ? 'pipeline' : 'gpu'}-worker.js`),
            '--stop-with-parent',
          ],
          env: {
            TEMPORAL_ADDRESS: `127.0.0.1:${temporal}`,
            HF_ENDPOINT: `http://127.0.0.1:${hub}`,
            HF_TOKEN: TOKEN,
            PLEIN_AIR_WORK_DIR: work,
            PLEIN_AIR_PYTHON: pythonPath(local),
            PLEIN_AIR_IDENTITY: `${machine}-${this.#starts}`,
          },
        };
      }
    }
  }

  async #fill(): Promise<void> {
    await execa(pythonPath(readEnvironment()), ['-c', WRITE, this.root], {
      env: { PYTHONPATH: join(PROJECT, 'gpu-worker', 'tests'), OMP_NUM_THREADS: '1', HF_HUB_OFFLINE: '1' },
    });
    const repo = (type: RepoRef['type'], name: string): RepoRef => ({
      type,
      repo: RepoId.parse(`plein-air/${name}`),
    });
    this.#base = await this.#upload(repo('model', 'base'), join(this.root, 'base'));
    this.#dataset = await this.#upload(repo('dataset', 'data'), join(this.root, 'dataset'));
  }

  async #upload(repo: RepoRef, folder: string): Promise<CommitRef> {
    const found = await readdir(folder, { recursive: true, withFileTypes: true });
    const files = found
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((file) => ({ path: file.slice(folder.length + 1), content: { file } }));
    await this.hub.ensureRepo(repo);
    return { ...repo, commit: await this.hub.commit({ repo, message: 'Upload', files }) };
  }

  /** Arguments of a `tune` workflow on the small model and data. */
  study(run: string, tuning: object): [RunContext['config'], { context: RunContext; dataset: CommitRef }] {
    const { checkpointEvery } = { checkpointEvery: 2 };
    const parsed = parseRunConfig({
      run,
      seed: 7,
      dataset: { resolution: 64 },
      training: {
        steps: 36,
        batchSize: 2,
        warmupSteps: 2,
        rank: 2,
        alpha: 2,
        learningRate: 1e-3,
        checkpointEvery,
        heldOutEvery: 36,
      },
      tuning,
    });
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
    if (this.#base === null || this.#dataset === null) throw new Error('expected an open stand');
    const context: RunContext = {
      run: RunName.parse(run),
      workflowId: run,
      runId: `run-of-${run}`,
      config: parsed.value,
      namespace: 'plein-air',
      base: this.#base,
      source: this.#dataset,
      repos: runRepos('plein-air', RunName.parse(run), parsed.value.model),
    };
    return [parsed.value, { context, dataset: this.#dataset }];
  }
}
