import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { type Child, startChild } from '../../../src/cli/stack/child.ts';
import { FEW_ARENAS, LOCAL_TOKEN } from '../../../src/cli/stack/stack.ts';
import { pythonPath, readEnvironment, temporalPath } from '../../../src/config/env.ts';
import { PROJECT } from '../../../src/config/paths.ts';
import { SEARCH_ATTRIBUTES } from '../../../src/domain/run/search-attributes.ts';
import { connectHub } from '../../../src/hub/client.ts';
import type { Hub } from '../../../src/hub/hub.ts';
import { DISPATCH_ARGUMENTS } from '../../../src/temporal/dispatch-settings.ts';
import { freePort } from '../../../src/wire/free-port.ts';
import { clockOf, setClock } from './clock.ts';
import { madeUpReport } from './made-up-report.ts';
import type { PartPlan, Ports } from './parts.ts';
import { postgresParts } from './postgres-parts.ts';
import { fillDisk, mountSmall, unmount } from './small-disk.ts';

export interface TopologyOptions {
  root: string;
  gpuWorkers: number;
  pipelineWorkers: number;
  /** Pace of the simulated trainer; null: the real one. */
  stepMs: number | null;
  /** Temporal built from its Go module on PostgreSQL, instead of the dev server on SQLite. */
  postgres?: boolean;
  env?: Record<string, string>;
  /** Whether workers serve their metrics. */
  metrics?: boolean;
  /** Whether each kind's files get a small file system that can be filled, where this user may mount one. */
  smallDisks?: boolean;
  /** Whether the Hub runs Spaces' apps, which may then read private releases. */
  runSpaces?: boolean;
  /** Whether parts get wall clocks that can be moved, where libfaketime is installed. */
  clocks?: boolean;
  /** Whether the Hub speaks TLS; this process must trust the authority in `root/hub` from its start. */
  tls?: boolean;
  /** Whether the Hub runs jobs as processes. */
  runJobs?: boolean;
  /** Ports that workers use, where a proxy stands before the servers. */
  through?: (real: Ports) => Promise<Ports>;
}

/** Folders of the parts that write, with the megabytes of a small file system for each. */
const FOLDERS = { hub: 512, work: 512, temporal: 256, postgres: 768 };
export type Folder = keyof typeof FOLDERS;

const TRAINER = fileURLToPath(new URL('./simulated-trainer.mjs', import.meta.url));

/** Temporal, local Hub and workers as processes of their own, each of which can be killed, frozen and started again. */
export class Topology {
  readonly root: string;
  readonly ports: Ports;
  private readonly hubScheme: 'http' | 'https';
  client!: Client;
  hub!: Hub;
  private readonly plans = new Map<string, PartPlan>();
  private readonly children = new Map<string, Child>();
  private connection: Connection | null = null;
  /** Where workers serve their metrics. */
  readonly metrics: string[] = [];
  private readonly identities = new Map<string, string>();
  private readonly disks: Folder[] = [];
  private readonly withClocks: boolean;
  private started = 0;

  private constructor(options: TopologyOptions, ports: Ports) {
    this.root = options.root;
    this.ports = ports;
    this.hubScheme = options.tls === true ? 'https' : 'http';
    this.withClocks = options.clocks === true && clockOf(options.root, 'any') !== null;
    for (const folder of Object.keys(FOLDERS) as Folder[]) {
      if (folder === (options.postgres === true ? 'temporal' : 'postgres')) continue;
      mkdirSync(join(options.root, folder), { recursive: true });
      if (options.smallDisks === true) this.mount(folder);
    }
  }

  /** A small file system for a folder, with what was in the folder: the authority that clients of a Hub with TLS trust. */
  private mount(folder: Folder): void {
    const [path, before] = [join(this.root, folder), join(this.root, `${folder}-before`)];
    cpSync(path, before, { recursive: true });
    if (mountSmall(path, FOLDERS[folder])) {
      cpSync(before, path, { recursive: true });
      this.disks.push(folder);
    }
    rmSync(before, { recursive: true });
  }

  static async start(options: TopologyOptions): Promise<Topology> {
    const ports = { temporal: await freePort(), hub: await freePort() };
    mkdirSync(join(options.root, 'logs'), { recursive: true });
    const topology = new Topology(options, ports);
    try {
      await topology.startServers(options);
      await topology.startWorkers(options, (await options.through?.(ports)) ?? ports);
    } catch (error) {
      await topology.stop();
      throw error;
    }
    return topology;
  }

  private async startServers(options: TopologyOptions): Promise<void> {
    const { root, ports } = this;
    const cli = join(PROJECT, 'dist', 'cli', 'main.js');
    const { hubUrl } = this;
    this.plan({
      name: 'hub',
      file: process.execPath,
      args: [
        cli,
        'hub',
        'serve',
        '--root',
        join(root, 'hub'),
        '--port',
        String(ports.hub),
        ...(options.tls === true ? ['--tls-self-signed'] : []),
        ...(options.runSpaces === true ? ['--run-spaces', pythonPath(readEnvironment())] : []),
        ...(options.runJobs === true ? ['--run-jobs'] : []),
      ],
      ready: async () =>
        (await fetch(`${hubUrl}/api/whoami-v2`, { headers: { authorization: `Bearer ${LOCAL_TOKEN}` } })).ok,
    });
    await this.bring('hub');
    this.hub = connectHub({ endpoint: hubUrl, accessToken: LOCAL_TOKEN });
    if (options.postgres === true)
      for (const part of await postgresParts({ root, ports, answers: () => this.temporalAnswers() })) {
        this.plan(part);
        await this.bring(part.name);
      }
    else {
      this.plan(this.devServer());
      await this.bring('temporal');
    }
    this.connection = Connection.lazy({ address: `127.0.0.1:${ports.temporal}` });
    this.client = new Client({ connection: this.connection });
  }

  /** Where the Hub itself answers, with no proxy between. */
  get hubUrl(): string {
    return `${this.hubScheme}://127.0.0.1:${this.ports.hub}`;
  }

  private devServer(): PartPlan {
    const args = ['server', 'start-dev', '--headless', '--ip', '127.0.0.1', '--log-level', 'error'];
    args.push(
      '--port',
      String(this.ports.temporal),
      '--db-filename',
      join(this.root, 'temporal', 'temporal.db'),
    );
    args.push(...DISPATCH_ARGUMENTS);
    for (const name of SEARCH_ATTRIBUTES) args.push('--search-attribute', `${name}=Keyword`);
    return {
      name: 'temporal',
      file: temporalPath(readEnvironment()),
      args,
      ready: () => this.temporalAnswers(),
    };
  }

  private async temporalAnswers(): Promise<boolean> {
    const connection = await Connection.connect({
      address: `127.0.0.1:${this.ports.temporal}`,
      connectTimeout: '1s',
    });
    try {
      await connection.workflowService.describeNamespace({ namespace: 'default' });
      return true;
    } finally {
      await connection.close();
    }
  }

  private async startWorkers(options: TopologyOptions, seen: Ports): Promise<void> {
    const env: Record<string, string> = {
      TEMPORAL_ADDRESS: `127.0.0.1:${seen.temporal}`,
      HF_ENDPOINT: `${this.hubScheme}://127.0.0.1:${seen.hub}`,
      HF_TOKEN: LOCAL_TOKEN,
      PLEIN_AIR_GRACE_SECONDS: '20',
      ...(options.runSpaces === true ? { PLEIN_AIR_SPACE_TOKEN: LOCAL_TOKEN } : {}),
      ...(options.stepMs === null ? {} : { PLEIN_AIR_PYTHON: this.simulatedPython(options.stepMs) }),
      ...options.env,
    };
    for (const [kind, count] of [
      ['pipeline', options.pipelineWorkers],
      ['gpu', options.gpuWorkers],
    ] as const)
      for (let n = 1; n <= count; n++) {
        this.plan({
          name: `${kind}-${n}`,
          file: process.execPath,
          args: [join(PROJECT, 'dist', 'workers', `${kind}-worker.js`)],
          env: {
            ...env,
            ...(kind === 'pipeline' ? FEW_ARENAS : {}),
            ...(options.metrics === true ? await this.metricsAddress() : {}),
          },
        });
        await this.bring(`${kind}-${n}`);
      }
  }

  private async metricsAddress(): Promise<Record<string, string>> {
    const address = `127.0.0.1:${await freePort()}`;
    this.metrics.push(`http://${address}/metrics`);
    return { PLEIN_AIR_METRICS_ADDRESS: address };
  }

  /** An executable that takes Python's arguments and is the simulated trainer. */
  private simulatedPython(stepMs: number): string {
    const [file, report] = [join(this.root, 'python'), join(this.root, 'made-up-report.json')];
    writeFileSync(report, JSON.stringify(madeUpReport()));
    const command = `"${process.execPath}" "${TRAINER}" --step-ms ${stepMs} --report "${report}"`;
    writeFileSync(file, `#!/bin/sh\nexec ${command}\n`);
    chmodSync(file, 0o755);
    return file;
  }

  private plan(part: PartPlan): void {
    this.plans.set(part.name, part);
  }

  /** Names of the processes, by kind: `temporal`, `postgres`, `hub`, `pipeline`, `gpu`. */
  names(kind: string): string[] {
    return [...this.plans.keys()].filter((name) => name === kind || name.startsWith(`${kind}-`));
  }

  pid(name: string): number | null {
    const child = this.children.get(name);
    return child?.isRunning() === true ? child.pid : null;
  }

  /** Starts a part until it serves, again where it ends at once, as a container's restart policy would. */
  async bring(name: string): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.startOnce(name);
      } catch (error) {
        if (attempt === 10) throw error;
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
    }
  }

  /** Starts what has ended by itself: a server whose database was away. */
  async mend(): Promise<void> {
    for (const name of this.children.keys()) if (this.pid(name) === null) await this.bring(name);
  }

  /** Starts a part and waits until it serves; a worker gets an empty folder and a new name each time. */
  private async startOnce(name: string): Promise<void> {
    const plan = this.plans.get(name);
    if (plan === undefined) throw new Error(`no part "${name}"`);
    const before = this.identities.get(name);
    if (before !== undefined) rmSync(join(this.root, 'work', before), { recursive: true, force: true });
    this.started += 1;
    this.identities.set(name, `${name}-${this.started}`);
    const work = join(this.root, 'work', `${name}-${this.started}`);
    mkdirSync(work, { recursive: true });
    const child = startChild({
      name,
      file: plan.file,
      args: plan.args,
      env: {
        ...process.env,
        NODE_OPTIONS: '',
        PLEIN_AIR_WORK_DIR: work,
        PLEIN_AIR_IDENTITY: `${name}-${this.started}`,
        ...plan.env,
        ...(this.withClocks ? clockOf(this.root, name) : {}),
      },
      cwd: this.root,
      logFile: join(this.root, 'logs', `${name}.log`),
    });
    this.children.set(name, child);
    const { ready } = plan;
    if (ready === undefined) return;
    for (let i = 0; i < 600; i++) {
      if (await ready().catch(() => false)) return;
      if (!child.isRunning()) throw new Error(`${name} ended while starting:\n${child.lastWords()}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`${name} did not serve within a minute:\n${child.lastWords()}`);
  }

  /** SIGKILL to a part and all that it started. */
  async kill(name: string): Promise<void> {
    await this.children.get(name)?.kill();
  }

  /** SIGSTOP or SIGCONT to a part. */
  signal(name: string, signal: 'SIGSTOP' | 'SIGCONT'): void {
    const pid = this.pid(name);
    if (pid !== null) process.kill(-pid, signal);
  }

  /** Whether the files of these parts are on a file system that {@link fill} may fill. */
  hasDisk(folder: Folder): boolean {
    return this.disks.includes(folder);
  }

  /** Leaves no byte free where these parts write, for so long. */
  async fill(folder: Folder, seconds: number): Promise<void> {
    if (!this.hasDisk(folder)) throw new Error(`${folder} has no file system of its own`);
    await fillDisk(join(this.root, folder), seconds);
  }

  /** Whether {@link moveClock} can. */
  hasClocks(): boolean {
    return this.withClocks;
  }

  /** Sets the wall clock of a part and all that it starts. */
  moveClock(name: string, seconds: number): void {
    setClock(this.root, name, seconds);
  }

  /** What the worker of this part calls itself in Temporal. */
  identity(name: string): string {
    return this.identities.get(name) ?? name;
  }

  log(name: string): string {
    const file = join(this.root, 'logs', `${name}.log`);
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  }

  async stop(): Promise<void> {
    await this.connection?.close();
    const servers = ['temporal', 'hub', 'postgres'];
    const workers = [...this.children].filter(([name]) => !servers.includes(name));
    await Promise.all(workers.map(([, child]) => child.kill()));
    for (const name of servers) await this.children.get(name)?.stop(10);
    for (const folder of this.disks.splice(0)) unmount(join(this.root, folder));
  }
}
