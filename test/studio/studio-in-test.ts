import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { Worker } from '@temporalio/worker';
import { connectHub } from '../../src/hub/client.ts';
import type { Hub } from '../../src/hub/hub.ts';
import { issueLink } from '../../src/studio/access/links.ts';
import type { Role } from '../../src/studio/access/roles.ts';
import type { Sources } from '../../src/studio/live/source.ts';
import { type RunningStudio, startStudio } from '../../src/studio/server.ts';
import { startHubInTest, TOKEN } from '../local-hub/hub-in-test.ts';
import { devServer } from '../temporal/dev-server.ts';
import { openSwitch, type Switch } from './switch.ts';

/** Studio before a real Temporal dev server and a real local Hub, each behind a switch. */
export interface StudioInTest {
  readonly environment: TestWorkflowEnvironment;
  readonly hub: Hub;
  readonly temporalSwitch: Switch;
  readonly hubSwitch: Switch;
  /** Address of Studio; the same after `restart`. */
  readonly url: string;
  link(role: Role): string;
  /** Ends Studio at once, with every page that is open. */
  kill(): Promise<void>;
  /** Starts it again at the same address. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts all of it; `namespace` owns the runs on the Hub. */
export async function studioInTest(namespace: string): Promise<StudioInTest> {
  const [environment, server, folder] = await Promise.all([
    devServer(),
    startHubInTest(),
    mkdtemp(join(tmpdir(), 'studio-')),
  ]);
  const temporalSwitch = await openSwitch(Number(environment.address.split(':').at(-1)));
  const hubSwitch = await openSwitch(server.port);
  const connection = Connection.lazy({ address: `127.0.0.1:${temporalSwitch.port}` });
  const linksFile = join(folder, 'links.json');
  const sources: Sources = {
    client: new Client({ connection }),
    hub: connectHub({
      ...{ endpoint: `http://127.0.0.1:${hubSwitch.port}`, accessToken: TOKEN },
      patience: { attempts: 1, timeoutMs: 4000 },
    }),
    namespace: async () => namespace,
    ...{ logs: null, temporalUi: null },
  };
  const start = (port: number) =>
    startStudio(sources, { host: '127.0.0.1', port, linksFile, tls: null, publicName: null });
  let studio: RunningStudio = await start(0);
  const { url } = studio;
  return {
    ...{ environment, temporalSwitch, hubSwitch, url },
    hub: connectHub({ endpoint: server.url, accessToken: TOKEN }),
    link: (role) => `${url}/enter?token=${issueLink(linksFile, { role, days: 1 })}`,
    kill: () => studio.close(),
    restart: async () => {
      studio = await start(Number(new URL(url).port));
    },
    stop: async () => {
      await studio.close();
      await connection.close();
      await Promise.all([temporalSwitch.close(), hubSwitch.close()]);
      await Promise.all([environment.teardown(), server.stop(), rm(folder, { recursive: true })]);
    },
  };
}

/** Ends workers and waits for them. */
export async function endWorkers(workers: Worker[], served: Promise<unknown>): Promise<void> {
  for (const worker of workers) worker.shutdown();
  await served;
}
