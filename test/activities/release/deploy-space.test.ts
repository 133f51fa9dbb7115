import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createDeploy, createSettleDeploy } from '../../../src/activities/release/deploy.ts';
import { createRollBack } from '../../../src/activities/release/roll-back.ts';
import type { DeployRequest } from '../../../src/domain/run/activities.ts';
import { connectHub } from '../../../src/hub/client.ts';
import type { Hub } from '../../../src/hub/hub.ts';
import { startLocalHub } from '../../../src/local-hub/server.ts';
import { PRODUCTION, tagAt } from '../../../src/releases/catalog.ts';
import { readJournal } from '../../../src/releases/journal.ts';
import { connectSpaceApp } from '../../../src/space/gradio.ts';
import { servedRelease } from '../../../src/space/space-repo.ts';
import { dyingHub, runInTest, WorkerDied } from '../run-in-test.ts';

const TOKEN = 'hf_local_plein_air';
const PYTHON = resolve('gpu-worker/.venv/bin/python');
type Mode =
  | ('ok' | 'crash' | 'hang' | 'blank' | 'small' | 'plain' | 'other' | 'silent' | 'dies')
  | ('drifts' | 'unfiltered' | 'undisclosed');

const smallApp = (mode: Mode) => async () => [
  { path: 'space/app.py', content: await readFile(new URL('../../space/small-app/app.py', import.meta.url)) },
  { path: 'space/mode.txt', content: Buffer.from(mode) },
];

let root: string;
let server: Awaited<ReturnType<typeof startLocalHub>>;
let hub: Hub;

const describeWithPython = existsSync(PYTHON) ? describe : describe.skip;

describeWithPython('a release whose Space really runs', () => {
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'deploy-space-'));
    server = await startLocalHub({ root: join(root, 'hub'), runSpaces: { python: PYTHON } });
    hub = connectHub({ endpoint: server.url, accessToken: TOKEN });
  });
  afterAll(async () => {
    await server.close();
    await rm(root, { recursive: true, force: true });
  });

  const request = (run: string, deployment: object = {}) =>
    runInTest({
      hub,
      namespace: 'team',
      run,
      config: {
        evaluation: { size: 64 },
        deployment: { startMinutes: 5, contentFilter: 'on', ...deployment },
      },
    });
  const deploy = (r: DeployRequest, mode: Mode, on: Hub = hub) =>
    createDeploy({ hub: on, spaceToken: TOKEN, app: smallApp(mode) })(r);

  /** Release tag and adapter sha256 as `production`, the Space's files and the running app say. */
  async function everywhere({ context }: DeployRequest) {
    const { release, space } = context.repos;
    const url = await hub.spaceHost(space);
    if (url === null) return { production: await tagAt(hub, release, PRODUCTION), app: null };
    const app = await connectSpaceApp(url, TOKEN, 20_000);
    try {
      const { tag, adapterSha256 } = await app.served(20_000);
      const files = await servedRelease(hub, space);
      return {
        production: await tagAt(hub, release, PRODUCTION),
        app: tag,
        files: files?.tag,
        sameBytes: files?.adapterSha256 === adapterSha256,
      };
    } finally {
      app.close();
    }
  }
  const serves = (tag: string) => ({ production: tag, app: tag, files: tag, sameBytes: true });

  it('leaves nothing served when the first release of all is unwell', async () => {
    const first = await request('sick-from-the-start', { space: true });
    await expect(deploy(first, 'crash')).rejects.toMatchObject({
      kind: 'Unhealthy',
      message: expect.stringContaining('no paint left'),
    });
    expect(await everywhere(first)).toEqual({ production: null, app: null });
    expect(await servedRelease(hub, first.context.repos.space)).toBeNull();
  }, 300_000);

  it('is tried through its API before it goes into production', async () => {
    const good = await request('good');
    const release = await deploy(good, 'ok');
    expect(release.trial).toMatchObject({ outcome: 'healthy', problem: '' });
    expect(release.trial?.styleMargin).toBeGreaterThan(0);
    expect(release.trial?.distance).toBe(0);
    expect(await everywhere(good)).toEqual(serves(release.release.tag));
  }, 300_000);

  it.each([
    ['crash', 'no paint left'],
    ['blank', 'blank picture'],
    ['small', 'wrong size'],
    ['plain', 'without the style'],
    ['other', 'another revision'],
    ['silent', 'No endpoint matching'],
    ['dies', 'ended when it was asked'],
    ['unfiltered', 'without the content filter'],
    ['undisclosed', 'does not say how it was made'],
    ['drifts', 'another picture for lake-s0 than the gate judged'],
  ] as const)(
    'puts the old one back when the new one is: %s',
    async (mode, words) => {
      const bad = await request(`bad-${mode}`);
      const before = await tagAt(hub, bad.context.repos.release, PRODUCTION);
      const failure = await deploy(bad, mode).catch((error: unknown) => error);
      expect(failure).toMatchObject({
        kind: 'Unhealthy',
        message: expect.stringContaining(words),
        details: { restored: before, restoredInSeconds: expect.any(Number) },
      });
      expect(await everywhere(bad)).toEqual(serves(before ?? ''));
      const last = (await readJournal(hub, bad.context.repos.release)).at(-1);
      expect(last).toMatchObject({ state: 'undone', problem: expect.stringContaining(words) });
      // Asked again, the same operation says the same and tries nothing.
      await expect(deploy(bad, mode)).rejects.toMatchObject({ kind: 'Unhealthy' });
    },
    300_000,
  );

  it('puts the old one back when the new one does not come up in time', async () => {
    const slow = await request('bad-hang', { startMinutes: 0.05 });
    const before = await tagAt(hub, slow.context.repos.release, PRODUCTION);
    await expect(deploy(slow, 'hang')).rejects.toMatchObject({
      message: expect.stringContaining('did not come up within 3 s'),
    });
    expect(await everywhere(slow)).toEqual(serves(before ?? ''));
  }, 300_000);

  it('puts the old one back when nobody goes on with it', async () => {
    const left = await request('left-alone');
    const before = await tagAt(hub, left.context.repos.release, PRODUCTION);
    const diesAfterSpace: Hub = {
      ...hub,
      spaceRuntime: async (space) => {
        if ((await servedRelease(hub, space))?.tag !== before) throw new WorkerDied();
        return hub.spaceRuntime(space);
      },
    };
    await expect(deploy(left, 'ok', diesAfterSpace)).rejects.toBeInstanceOf(WorkerDied);
    expect((await servedRelease(hub, left.context.repos.space))?.tag).not.toBe(before);
    const settle = createSettleDeploy({ hub, spaceToken: TOKEN });
    expect(await settle({ ...left, reason: 'gave up' })).toContain('was taken back');
    expect(await everywhere(left)).toEqual(serves(before ?? ''));
    expect(await settle({ ...left, reason: 'gave up' })).toBeNull();
  }, 300_000);

  it('puts the old one back when the run is cancelled while the Space starts', async () => {
    const cancelled = await request('cancelled', { startMinutes: 2 });
    const before = await tagAt(hub, cancelled.context.repos.release, PRODUCTION);
    const abort = new AbortController();
    const deploying = createDeploy({
      hub,
      spaceToken: TOKEN,
      app: smallApp('hang'),
      signal: () => abort.signal,
      onStep: (step) => step.endsWith('APP_STARTING') && abort.abort(new Error('cancelled by a person')),
    })(cancelled);
    await expect(deploying).rejects.toThrow('cancelled by a person');
    expect(await everywhere(cancelled)).toEqual(serves(before ?? ''));
  }, 300_000);

  it('goes on where a worker died, to one whole release', async () => {
    const next = await request('next');
    const dying = dyingHub(hub, 8, 'after');
    await expect(deploy(next, 'ok', dying)).rejects.toBeInstanceOf(WorkerDied);
    const release = await deploy(next, 'ok');
    expect(await everywhere(next)).toEqual(serves(release.release.tag));
  }, 300_000);

  it('is gone back from in seconds, Space and all', async () => {
    const { context } = await request('next');
    const { release, space } = context.repos;
    const back = createRollBack({ hub, spaceToken: TOKEN });
    const was = await tagAt(hub, release, PRODUCTION);
    const made = await back({ release, space, toTag: null, reason: 'too blue', by: 'Ada' });
    expect(made.release.tag).not.toBe(was);
    expect(made.trial?.outcome).toBe('healthy');
    expect((await readJournal(hub, release)).at(-1)).toMatchObject({ by: 'Ada', state: 'done' });
  }, 300_000);

  it('is woken when it sleeps, and waited for, before it is asked', async () => {
    const { context } = await request('next');
    const { release, space } = context.repos;
    const tag = await tagAt(hub, release, PRODUCTION);
    await letSleep(space);
    expect(await hub.spaceHost(space)).toBeNull();
    const steps: string[] = [];
    const back = createRollBack({ hub, spaceToken: TOKEN, onStep: (step) => steps.push(step) });
    const before = await hub.resolve({ type: 'space', repo: space });
    const made = await back({ release, space, toTag: tag, reason: 'the same again', by: 'Ada' });
    expect(made.trial).toMatchObject({ outcome: 'healthy' });
    expect(steps).toContain(`Space ${space} is woken`);
    // It was woken as it lay there, not committed to.
    expect(await hub.resolve({ type: 'space', repo: space })).toBe(before);
    // A new release is told to a Space that sleeps as to any other.
    await letSleep(space);
    const next = await request('after-sleep');
    expect(await everywhere(next)).toMatchObject({ app: null });
    const deployed = await deploy(next, 'ok');
    expect(deployed.trial?.outcome).toBe('healthy');
    expect(await everywhere(next)).toEqual(serves(deployed.release.tag));
  }, 90_000);

  /** Shortens the Space's sleep time to nothing until it sleeps, as the Hub's own setting does. */
  async function letSleep(space: string): Promise<void> {
    const sleepTime = (seconds: number) =>
      fetch(`${server.url}/api/spaces/${space}/sleeptime`, {
        method: 'POST',
        headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
        body: JSON.stringify({ seconds }),
      });
    await sleepTime(0.01);
    while ((await hub.spaceRuntime(space as never))?.stage !== 'SLEEPING') await sleep(50);
    await sleepTime(-1);
  }

  it('asks for a token of its own when it is private', async () => {
    const other = await runInTest({ hub, namespace: 'team', run: 'tokenless', model: 'other' });
    await expect(createDeploy({ hub, app: smallApp('ok') })(other)).rejects.toMatchObject({
      kind: 'HubRefused',
      message: expect.stringContaining('PLEIN_AIR_SPACE_TOKEN'),
    });
  });
});
