import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import { serverEnvironment, workerEnvironment } from '../../config/child-environment.ts';
import {
  type Environment,
  type HubAccess,
  processEnvironment,
  pythonPath,
  temporalPath,
} from '../../config/env.ts';
import { PROJECT } from '../../config/paths.ts';
import { PipelineError } from '../../domain/errors.ts';
import type { SourcesFile } from '../../domain/gpu-source/sources-file.ts';
import { SEARCH_ATTRIBUTES } from '../../domain/run/search-attributes.ts';
import { issueLink } from '../../studio/access/links.ts';
import { DISPATCH_ARGUMENTS } from '../../temporal/dispatch-settings.ts';
import { freePort } from '../../wire/free-port.ts';
import { hiddenAddress, openWebDoor, type WebDoor } from '../../wire/web-door.ts';
import { linksFile } from '../studio-links.ts';
import { type Child, startChild } from './child.ts';
import { closeLocalSessions, fleetOf, killLocalSession, killWorkersBelow } from './local-sessions.ts';
import { orphans, readStack, removeStack, writeStack } from './stack-file.ts';

/** Token of the embedded Hub: it is bound to loopback, so the token keeps accidents out, not attackers. */
export const LOCAL_TOKEN = 'hf_local_plein_air';

/**
 * Temporal's HTTP API takes orders from anybody, also from a page in the browser: it answers under one name only, and this
 * one leads nowhere (RFC 6761).
 */
export const NO_HTTP_API = 'frontend.httpAllowedHosts=["closed.invalid"]';

/** How long the link to the stack's own Studio is valid. */
const LINK_DAYS = 30;

/** How long the dev server keeps ended runs; its own default is a day. */
const RETENTION = '30d';

/** Wait for a condition that another process brings about, looking often. */
async function until(
  what: string,
  child: Child,
  seconds: number,
  test: () => Promise<boolean>,
): Promise<void> {
  const end = Date.now() + seconds * 1000;
  while (!(await test())) {
    if (!child.isRunning())
      throw new PipelineError(
        'Internal',
        `${child.name} ended while starting; its last words:\n${child.lastWords()}`,
      );
    if (Date.now() > end)
      throw new PipelineError(
        'Internal',
        `expected ${what} within ${seconds} s, got nothing; see ${child.logFile}:\n${child.lastWords()}`,
      );
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/**
 * Environment of a pipeline worker. glibc gives threads arenas of their own, and what pictures leave in each is not given
 * back: 200 MB more than with two of them. The advice is sharp's; another C library does not look at the variable.
 */
export const FEW_ARENAS = { MALLOC_ARENA_MAX: '2' };

/** The embedded stack: Temporal dev server, local Hub, a pipeline worker and GPU workers, all real processes. */
export class Stack {
  readonly dataDir: string;
  readonly address: string;
  readonly uiUrl: string;
  readonly hub: HubAccess;
  /** Whether the Hub is the embedded one, which this stack runs. */
  private readonly runsHub: boolean;
  private readonly env: Environment;
  private readonly children: Child[] = [];
  /** Stands before Temporal's UI, which answers under any name. */
  private door: WebDoor | null = null;
  private workers = 0;
  private studioUrl: string | null = null;

  private constructor(p: {
    dataDir: string;
    env: Environment;
    ports: [number, number, number];
    ownHub: HubAccess | null;
  }) {
    this.dataDir = p.dataDir;
    this.env = p.env;
    this.address = `127.0.0.1:${p.ports[0]}`;
    this.uiUrl = `http://127.0.0.1:${p.ports[1]}`;
    this.runsHub = p.ownHub === null;
    this.hub = p.ownHub ?? { endpoint: `http://127.0.0.1:${p.ports[2]}`, accessToken: LOCAL_TOKEN };
  }

  /** Starts the servers and waits until they answer; workers are started apart. */
  static async start(
    dataDir: string,
    env: Environment,
    options: { runSpaces?: boolean | undefined; runJobs?: boolean; ownHub?: HubAccess | null } = {},
  ): Promise<Stack> {
    if (readStack(dataDir) !== null)
      throw new PipelineError(
        'InvalidInput',
        `a stack is already running in ${dataDir}: use it ("plein-air status"), stop it with Ctrl+C where it runs, or give another --data-dir`,
      );
    for (const orphan of orphans(dataDir)) process.kill(orphan.pid, 'SIGTERM');
    for (const folder of ['logs', 'work', 'hub']) mkdirSync(join(dataDir, folder), { recursive: true });
    const ports = [await freePort(), await freePort(), await freePort()] as [number, number, number];
    const stack = new Stack({ dataDir, env, ports, ownHub: options.ownHub ?? null });
    try {
      await Promise.all([
        stack.startTemporal(ports[0], ports[1]),
        stack.runsHub ? stack.startHub(ports[2], options) : undefined,
      ]);
    } catch (error) {
      await stack.stop();
      throw error;
    }
    return stack;
  }

  private async startTemporal(port: number, uiPort: number): Promise<void> {
    const file = temporalPath(this.env);
    const database = join(this.dataDir, 'temporal.db');
    const [ui, hidden] = [hiddenAddress(), await freePort()];
    const args = ['server', 'start-dev', '--ip', '127.0.0.1', '--port', String(port)];
    args.push('--ui-ip', ui, '--ui-port', String(hidden), '--dynamic-config-value', NO_HTTP_API);
    args.push(...DISPATCH_ARGUMENTS);
    for (const name of SEARCH_ATTRIBUTES) args.push('--search-attribute', `${name}=Keyword`);
    args.push('--db-filename', database, '--log-level', 'error', '--ui-disable-news-fetch');
    this.door = await openWebDoor({ to: `http://${ui}:${hidden}`, port: uiPort });
    const server = this.spawn('temporal', file, args, serverEnvironment(processEnvironment()));
    await until('the Temporal server to answer', server, 60, async () => {
      try {
        const connection = await Connection.connect({ address: this.address, connectTimeout: '1s' });
        await connection.workflowService.updateNamespace({
          namespace: 'default',
          config: { workflowExecutionRetentionTtl: msToTs(RETENTION) },
        });
        await connection.close();
        return true;
      } catch {
        return false;
      }
    });
  }

  private async startHub(
    port: number,
    { runSpaces, runJobs }: { runSpaces?: boolean | undefined; runJobs?: boolean },
  ): Promise<void> {
    const cli = join(PROJECT, 'dist', 'cli', 'main.js');
    const args = [cli, 'hub', 'serve', '--root', join(this.dataDir, 'hub'), '--port', String(port)];
    if (runJobs === true) args.push('--run-jobs');
    if (runSpaces === true) args.push('--run-spaces', pythonPath(this.env));
    const hub = this.spawn('hub', process.execPath, args, serverEnvironment(processEnvironment()));
    await until('the local Hub to answer', hub, 30, async () => {
      try {
        const headers = { authorization: `Bearer ${LOCAL_TOKEN}` };
        return (await fetch(`${this.hubUrl}/api/whoami-v2`, { headers })).ok;
      } catch {
        return false;
      }
    });
  }

  /**
   * Starts a worker with a work folder of its own; a GPU worker's folder is new each time. A pipeline worker with a file of
   * GPU sources fetches GPU workers by itself.
   */
  startWorker(kind: 'pipeline' | 'gpu', options: { sources?: SourcesFile } = {}): Child {
    this.workers += 1;
    const name = `${kind}-worker-${this.workers}`;
    const work = join(this.dataDir, 'work', `${name}-${process.pid}`);
    mkdirSync(work, { recursive: true });
    const file = join(PROJECT, 'dist', 'workers', `${kind}-worker.js`);
    return this.spawn(name, process.execPath, [file, '--stop-with-parent', '--work-dir', work], {
      ...workerEnvironment(processEnvironment()),
      ...this.clientEnvironment(),
      PLEIN_AIR_WORK_DIR: work,
      PLEIN_AIR_PYTHON: pythonPath(this.env),
      PLEIN_AIR_IDENTITY: name,
      ...(kind === 'pipeline' ? FEW_ARENAS : {}),
      ...(options.sources === undefined ? {} : this.fleetEnvironment(options.sources)),
      ...(this.runsHub ? { PLEIN_AIR_SPACE_TOKEN: LOCAL_TOKEN } : {}),
    });
  }

  /** Starts Studio and waits until it answers; the address with a link that steers. */
  async startStudio(): Promise<string> {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const args = [join(PROJECT, 'dist', 'cli', 'main.js'), 'studio', '--no-link'];
    args.push('--port', String(port), '--data-dir', this.dataDir);
    const studio = this.spawn('studio', process.execPath, args, {
      ...workerEnvironment(processEnvironment()),
      ...this.clientEnvironment(),
    });
    await until('Studio to answer', studio, 60, async () => {
      try {
        return (await fetch(`${url}/health`)).ok;
      } catch {
        return false;
      }
    });
    this.studioUrl = url;
    this.write();
    return `${url}/enter?token=${issueLink(linksFile(this.dataDir), { role: 'steer', days: LINK_DAYS })}`;
  }

  private fleetEnvironment(sources: SourcesFile): Record<string, string> {
    const file = join(this.dataDir, 'gpu-sources.json');
    writeFileSync(file, JSON.stringify(sources, null, 2));
    return {
      PLEIN_AIR_GPU_SOURCES: file,
      PLEIN_AIR_FLEET: fleetOf(this.dataDir),
      PLEIN_AIR_FLEET_SECONDS: '1',
      PLEIN_AIR_DATA_DIR: this.dataDir,
      PLEIN_AIR_OWNER: String(process.pid),
    };
  }

  get hubUrl(): string {
    return this.hub.endpoint;
  }

  /** What a client of this stack has in its environment. */
  clientEnvironment(): Record<string, string> {
    return { TEMPORAL_ADDRESS: this.address, HF_ENDPOINT: this.hub.endpoint, HF_TOKEN: this.hub.accessToken };
  }

  private spawn(name: string, file: string, args: string[], env: Record<string, string>): Child {
    const logFile = join(this.dataDir, 'logs', `${name}.log`);
    const child = startChild({
      name,
      file,
      args,
      env,
      cwd: this.dataDir,
      logFile,
    });
    this.children.push(child);
    this.write();
    void child.ended.then(() => this.write());
    return child;
  }

  private write(): void {
    const alive = this.children.filter((child) => child.isRunning());
    if (alive.length === 0) {
      removeStack(this.dataDir);
      return;
    }
    writeStack(this.dataDir, {
      format: 1,
      owner: process.pid,
      temporal: { address: this.address, ui: this.uiUrl },
      hub: { url: this.hubUrl, embedded: this.runsHub },
      ...(this.studioUrl === null ? {} : { studio: { url: this.studioUrl } }),
      processes: alive.map(({ name, pid }) => ({ name, pid })),
    });
  }

  /** SIGKILL to a GPU session and all that it started, as a machine that vanishes. */
  async vanish(session: string): Promise<void> {
    await killLocalSession(this.dataDir, session);
    const hub = this.children.find(({ name }) => name === 'hub');
    if (hub !== undefined) killWorkersBelow(hub.pid);
  }

  /** Stops everything in order: GPU workers may still publish a checkpoint, so servers go last. */
  async stop(): Promise<void> {
    const isServer = (child: Child) => child.name === 'temporal' || child.name === 'hub';
    await Promise.all(
      this.children.filter((child) => child.name.startsWith('pipeline')).map((c) => c.stop(45)),
    );
    await closeLocalSessions(this.dataDir);
    await Promise.all(this.children.filter((child) => !isServer(child)).map((child) => child.stop(45)));
    await Promise.all(this.children.filter(isServer).map((child) => child.stop()));
    await this.door?.close();
    removeStack(this.dataDir);
  }
}
