import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { connectClient } from '../../../src/cli/connect.ts';
import { TINY_FLUX } from '../../../src/cli/seed.ts';
import type { Child } from '../../../src/cli/stack/child.ts';
import { LOCAL_TOKEN, Stack } from '../../../src/cli/stack/stack.ts';
import { readEnvironment } from '../../../src/config/env.ts';
import { TINY_BASE } from '../../../src/config/paths.ts';
import { DatasetManifest } from '../../../src/domain/dataset/record.ts';
import { RepoId, type RepoRef } from '../../../src/domain/refs.ts';
import { connectHub } from '../../../src/hub/client.ts';
import type { Hub } from '../../../src/hub/hub.ts';
import { startWorkflow } from '../../../src/runs/start-run.ts';
import { seedTinyBase } from '../../../src/wikiart/synthetic/seed-base.ts';
import type { PreparationResult } from '../../../src/workflows/prepare.ts';

/** A preparation that is done; `files` has every file's path, size and sha256, and the manifest. */
export interface Prepared {
  run: string;
  result: PreparationResult;
  manifest: DatasetManifest;
  files: string;
  seconds: number;
}

/** A real Temporal server, a real local Hub and as many real pipeline workers as are asked for (from `dist`: build first). */
export class PreparationStand {
  readonly stack: Stack;
  readonly hub: Hub;
  private readonly dataDir: string;
  private runs = 0;

  private constructor(stack: Stack, dataDir: string) {
    this.stack = stack;
    this.dataDir = dataDir;
    this.hub = connectHub({ endpoint: stack.hubUrl, accessToken: LOCAL_TOKEN });
  }

  static async start(dataDir: string): Promise<PreparationStand> {
    const stand = new PreparationStand(await Stack.start(dataDir, readEnvironment()), dataDir);
    await seedTinyBase({
      hubUrl: stand.stack.hubUrl,
      accessToken: LOCAL_TOKEN,
      repo: TINY_FLUX,
      folder: TINY_BASE,
    });
    return stand;
  }

  /** Puts files into a new source repository. */
  async seed(name: string, files: { path: string; content: { file: string } }[]): Promise<string> {
    const repo: RepoRef = { type: 'dataset', repo: RepoId.parse(`plein-air/${name}`) };
    await this.hub.ensureRepo(repo);
    await this.hub.commit({ repo, message: 'Seed', files });
    return repo.repo;
  }

  /** Starts a pipeline worker in an empty folder, on one core where one is named. */
  async worker(core?: number): Promise<Child> {
    const child = this.stack.startWorker('pipeline');
    if (core !== undefined)
      await promisify(execFile)('taskset', ['-a', '-pc', String(core), String(child.pid)]);
    return child;
  }

  /** Starts a preparation and waits for it; `meanwhile` may do harm in the meantime. */
  async prepare(
    dataset: Record<string, unknown>,
    meanwhile: (isOver: () => boolean) => Promise<void> = async () => undefined,
  ): Promise<Prepared> {
    const client = await connectClient(this.dataDir);
    this.runs += 1;
    const workflowId = `prepare-${process.pid}-${this.runs}`;
    const input = { run: workflowId, profile: 'tiny', dataset };
    const started = performance.now();
    await startWorkflow(client, { type: 'prepare', workflowId, input });
    let over = false;
    const harm = meanwhile(() => over);
    const result = (await client.workflow.getHandle(workflowId).result()) as PreparationResult;
    const seconds = (performance.now() - started) / 1000;
    over = true;
    await harm;
    const { dataset: at } = result.dataset;
    const bytes = await this.hub.read(at, at.commit, 'manifest.json');
    const manifest = DatasetManifest.parse(JSON.parse(bytes?.toString('utf8') ?? 'null'));
    const files = (await this.hub.list(at, at.commit))
      .map((entry) => `${entry.path} ${entry.bytes} ${entry.sha256}`)
      .sort()
      .join('\n');
    return { run: workflowId, result, manifest, files: `${files}\n${bytes?.toString('utf8')}`, seconds };
  }

  /** Removes a prepared dataset, so that the next preparation makes it again. */
  async forget(result: PreparationResult): Promise<void> {
    await this.hub.deleteRepo({ type: 'dataset', repo: result.dataset.dataset.repo });
  }

  /** Peak resident memory of a process so far, in MB. */
  async peakMemory(pid: number): Promise<number> {
    const status = await readFile(join('/proc', String(pid), 'status'), 'utf8');
    return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1000;
  }

  /** Looks every tenth of a second at the resident memory of a process and its children, and keeps the largest sum, in MB. */
  watchMemory(pid: number): { most(): number; stop(): void } {
    let most = 0;
    const residentOf = (one: number): number =>
      Number(/VmRSS:\s+(\d+)/.exec(textOf(`/proc/${one}/status`))?.[1] ?? 0) / 1000;
    const timer = setInterval(() => {
      const children = textOf(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number);
      most = Math.max(
        most,
        [pid, ...children].map(residentOf).reduce((sum, one) => sum + one, 0),
      );
    }, 100);
    return { most: () => most, stop: () => clearInterval(timer) };
  }

  /** Seconds that a process has computed so far, over all its threads. */
  async cpuSeconds(pid: number): Promise<number> {
    const fields =
      (await readFile(join('/proc', String(pid), 'stat'), 'utf8')).split(') ')[1]?.split(' ') ?? [];
    return (Number(fields[11]) + Number(fields[12])) / 100;
  }

  async stop(): Promise<void> {
    await this.stack.stop();
  }
}

/** A file's text; empty when it is gone, as a process's is when it has ended. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
