import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createFleetActivities } from '../../src/activities/fleet/fleet.ts';
import type { FleetAction } from '../../src/domain/gpu-source/plan.ts';
import type { GpuSession } from '../../src/domain/gpu-source/session.ts';
import { SourcesFile } from '../../src/domain/gpu-source/sources-file.ts';
import { createSource } from '../../src/gpu-sources/factory.ts';
import type { Ledger } from '../../src/gpu-sources/ledger.ts';
import { markdownTable, tableInDocs } from '../docs/generated-table.ts';
import { startHubInTest, TOKEN } from '../local-hub/hub-in-test.ts';

const MINUTE = 60_000;
const NOON = Date.UTC(2026, 10, 30, 12);

let folder: string;
let hub: Awaited<ReturnType<typeof startHubInTest>>;
let answering: Server;
/** What the stand-in for a Hub that sells GPUs answers. */
let status = 200;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'refusals-'));
  hub = await startHubInTest({
    runJobs: { images: { here: { cwd: folder, environment: { PATH: process.env.PATH ?? '' } } } },
  });
  answering = createServer((request, response) => {
    const refuses = status === 401 || request.method === 'POST';
    response.writeHead(refuses ? status : 200, { 'content-type': 'application/json' });
    response.end(refuses ? JSON.stringify({ error: SAID[status] ?? 'no' }) : '[]');
  });
  await new Promise<void>((done) => answering.listen(0, '127.0.0.1', done));
});
afterAll(async () => {
  await hub.stop();
  await new Promise((done) => answering.close(done));
  rmSync(folder, { recursive: true, force: true });
});

const SAID: Record<number, string> = {
  401: 'Invalid username or password.',
  402: 'Pre-paid credit balance is insufficient',
  403: 'Jobs are available to Pro users and Team or Enterprise organizations',
  429: 'You have reached the limit of concurrent jobs',
  500: 'Internal Error',
  503: 'No capacity for this flavor',
};

interface Case {
  source: string;
  /** What happens there. */
  happens: string;
  config: () => object;
  /** Minutes that the fleet watches; default 0: one try. */
  minutes?: number;
}

const jobs = (url: () => string, more: object = {}) => ({
  ...{ name: 'jobs', kind: 'hf-jobs', accelerators: ['L4'], image: 'here', flavors: { L4: 'l4x1' } },
  ...{ command: ['sh', '-c', 'sleep 600'], environment: { URL: url() } },
  ...more,
});
const answered = (code: number) => () => {
  status = code;
  return jobs(() => `http://127.0.0.1:${(answering.address() as AddressInfo).port}`);
};
const here = (more: object) => () => jobs(() => hub.url, more);
const colab = (state: object) => () => {
  writeFileSync(
    join(folder, 'state.json'),
    JSON.stringify({ sessions: {}, orphans: [], trap: null, limit: 3, ...state }),
  );
  return {
    ...{ name: 'colab', kind: 'colab', accelerators: ['T4'], paid: true },
    program: [process.execPath, resolve('test/gpu-sources/colab-double.mjs'), folder],
  };
};
const script = (name: string, text: string) => {
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o700);
  return [path];
};
const command =
  (open: string, more: object = {}) =>
  () => ({
    ...{ name: 'slurm', kind: 'command', accelerators: ['A100'], timeoutSeconds: 3 },
    ...{ open: script('open.sh', open), close: script('close.sh', 'true'), list: script('list.sh', 'true') },
    ...more,
  });

const CASES: Case[] = [
  { source: 'colab', happens: 'too many sessions are open (412)', config: colab({ limit: 0 }) },
  { source: 'colab', happens: 'no right to the accelerator (400)', config: colab({ trap: '400' }) },
  { source: 'colab', happens: 'the sign-in has expired (401)', config: colab({ trap: '401' }) },
  { source: 'colab', happens: 'none is free (503)', config: colab({ trap: '503' }) },
  { source: 'colab', happens: 'another card is given than asked for', config: colab({ trap: 'other-card' }) },
  {
    source: 'colab',
    happens: 'an accelerator that it does not know, which would become an A100',
    config: () => ({ ...colab({})(), accelerators: ['P100'] }),
  },
  { source: 'colab', happens: 'the set-up fails', config: colab({ trap: 'exec-fails' }) },
  { source: 'hf-jobs', happens: 'the token has expired (401)', config: answered(401) },
  { source: 'hf-jobs', happens: 'no credit is left (402)', config: answered(402) },
  { source: 'hf-jobs', happens: 'the account may not run jobs (403)', config: answered(403) },
  { source: 'hf-jobs', happens: 'too many jobs (429)', config: answered(429) },
  { source: 'hf-jobs', happens: 'none is free (503)', config: answered(503) },
  { source: 'hf-jobs', happens: 'the Hub fails (500)', config: answered(500) },
  { source: 'hf-jobs', happens: 'an image that is not there', config: here({ image: 'elsewhere' }) },
  { source: 'hf-jobs', happens: 'no flavor for the accelerator', config: here({ flavors: {} }) },
  { source: 'hf-jobs', happens: 'another account is to pay', config: here({ namespace: 'other' }) },
  {
    source: 'hf-jobs',
    happens: 'the Hub does not answer',
    config: () => jobs(() => 'http://127.0.0.1:9'),
  },
  { source: 'command', happens: 'no capacity (75)', config: command('echo no node is free >&2; exit 75') },
  { source: 'command', happens: 'it fails', config: command('echo quota exceeded >&2; exit 1') },
  { source: 'command', happens: 'it hangs', config: command('sleep 60') },
  { source: 'command', happens: 'it is not there', config: command('true', { open: ['/no/such/program'] }) },
  {
    source: 'command',
    happens: 'no capacity for two hours',
    config: command('echo no node is free >&2; exit 75'),
    minutes: 120,
  },
  {
    source: 'command',
    happens: 'a machine that never asks for work',
    config: () => {
      rmSync(join(folder, 'up'), { force: true });
      return command(`echo "$PLEIN_AIR_SESSION" > ${folder}/up`, {
        close: script('close-it.sh', `rm -f ${folder}/up`),
        list: script('list-it.sh', `cat ${folder}/up 2>/dev/null; true`),
      })();
    },
    minutes: 16,
  },
  {
    source: 'any',
    happens: 'quiet hours',
    config: command('true', { quietHours: { from: '10:00', to: '14:00' } }),
  },
];

/** The fleet for one waiting run and one source: what its ledger says, and what the run says, at the end. */
async function meet({ config, minutes = 0 }: Case): Promise<{ ledger: GpuSession[]; says: string[] }> {
  const file = SourcesFile.parse({ sources: [config()] });
  const [source] = file.sources;
  if (source === undefined) throw new Error('no source');
  const rows: GpuSession[] = [];
  const world = { now: NOON };
  const ledger: Ledger = {
    recent: async () => rows.map((row) => ({ ...row })),
    add: async (session) => {
      const found = rows.find(({ name }) => name === session.name);
      if (found === undefined) rows.push(session);
      return found ?? session;
    },
    change: async ({ name }, change) => {
      const row = rows.find((one) => one.name === name);
      if (row === undefined) throw new Error(`no session ${name}`);
      return Object.assign(row, change);
    },
  };
  const work = { run: 'evening', workflowId: 'evening', queue: 'gpu', activity: 'train', since: NOON };
  const activities = createFleetActivities({
    ...{ file, fleet: 'main', ledger, seconds: 0.001, now: () => world.now },
    sources: new Map([
      [
        source.name,
        createSource(source, {
          prefix: 'pa-main-',
          worker: { variables: {}, secrets: {} },
          environment: { PATH: process.env.PATH ?? '' },
          jobs: { endpoint: source.environment.URL ?? '', token: TOKEN, namespace: 'plein-air' },
          readBootstrap: async () => 'pass',
          local: { script: '', folder, environment: {} },
        }),
      ],
    ]),
    demand: async () => ({ waiting: [work], working: [], pollers: [], money: new Map() }),
    heartbeat: () => undefined,
    signal: () => undefined,
  });
  const watch = () =>
    activities.watchFleet({ request: { open: null, close: [] }, shown: 'nothing', told: [] });
  const perform = (action: FleetAction): Promise<unknown> => {
    if (action.do === 'open') return activities.openSession(action);
    if (action.do === 'close') return activities.closeSession(action);
    return Promise.resolve();
  };
  for (let minute = 0; minute <= minutes; minute++) {
    for (const action of (await watch()).actions) await perform(action);
    if (minute < minutes) world.now += MINUTE;
  }
  return { ledger: rows, says: (await watch()).obstacles };
}

/** Without what differs from one run of the test to the next. */
const steady = (text: string) =>
  text
    .replaceAll(folder, '…')
    .replaceAll(/127\.0\.0\.1:\d+/g, 'HUB')
    .replaceAll(hub.url, 'HUB')
    .replaceAll(/: (?:bad port|connect ECONNREFUSED.*?)(?=;)/g, '');

describe('a source that gives no machine', () => {
  it('is told in a sentence with its cause, is in the ledger, costs nothing when refused, and is tried again', async () => {
    const rows: string[][] = [];
    for (const one of CASES) {
      const { ledger, says } = await meet(one);
      const last = ledger.at(-1);
      expect([one.happens, says.join(), last?.closedAt]).not.toEqual([one.happens, '', null]);
      const ended =
        last === undefined ? 'nothing' : `${last.ended}${last.refusal ? `: ${last.refusal}` : ''}`;
      const tries = ledger.length > 1 ? ` (${ledger.length} times)` : '';
      rows.push([one.source, one.happens, steady(says.join('; ')), `${ended}${tries}`]);
    }
    const made = markdownTable(['source', 'what happens', '`status RUN` says', 'in the ledger'], rows);
    expect(tableInDocs('gpu-sources.md', 'refusals', made)).toBe(made);
  }, 120_000);
});
