import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type SourceConfig, SourcesFile } from '../../src/domain/gpu-source/sources-file.ts';
import { createSource, type FactoryGround } from '../../src/gpu-sources/factory.ts';
import { readSourcesFile } from '../../src/gpu-sources/read-file.ts';
import { type GpuSource, SourceRefusal } from '../../src/gpu-sources/source.ts';
import { startHubInTest, TOKEN } from '../local-hub/hub-in-test.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'plein-air-sources-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const SECRET = 'hf_a_secret_that_is_nobodys';
const NAME = 'pa-test-2611-1';

function sourceOf(config: object, ground: Partial<FactoryGround> = {}): GpuSource {
  const [parsed] = SourcesFile.parse({ sources: [config] }).sources;
  return createSource(parsed as SourceConfig, {
    prefix: 'pa-test-',
    worker: { variables: { TEMPORAL_ADDRESS: 'example:7233' }, secrets: { HF_TOKEN: SECRET } },
    environment: { PATH: process.env.PATH ?? '' },
    jobs: { endpoint: '', token: '', namespace: '' },
    readBootstrap: async () =>
      `open(${JSON.stringify(join(folder, 'worker'))}, 'w').write(os.environ['HF_TOKEN'])`,
    local: { script: '', folder, environment: {} },
    ...ground,
  });
}

async function refusalOf(work: Promise<unknown>): Promise<SourceRefusal> {
  const error = await work.then(
    () => null,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(SourceRefusal);
  return error as SourceRefusal;
}

const request = { name: NAME, accelerator: 'T4', hours: 1 };

describe('the source "command"', () => {
  const script = (name: string, text: string) => {
    const path = join(folder, name);
    writeFileSync(path, `#!/bin/sh\n${text}\n`);
    chmodSync(path, 0o700);
    return [path];
  };
  const commands = (
    open = 'touch "$FOLDER/$PLEIN_AIR_SESSION"; echo "$HF_TOKEN $PLEIN_AIR_ACCELERATOR" > "$FOLDER/given"',
  ) => {
    mkdirSync(join(folder, 'open'), { recursive: true });
    return sourceOf({
      ...{ name: 'slurm', kind: 'command', accelerators: ['T4'], timeoutSeconds: 5 },
      environment: { FOLDER: join(folder, 'open') },
      open: script('open.sh', open),
      close: script('close.sh', 'rm -f "$FOLDER/$PLEIN_AIR_SESSION"'),
      list: script('list.sh', 'ls "$FOLDER"; echo pa-other-1; echo "pa-test-7 RUNNING"'),
    });
  };

  it('opens once, lists its own alone, and closes what may be gone already', async () => {
    const source = commands();
    await source.open(request);
    await source.open(request);
    expect(await source.list()).toEqual(['pa-test-2611-1', 'pa-test-7']);
    expect(readFileSync(join(folder, 'open', 'given'), 'utf8')).toBe(`${SECRET} T4\n`);
    await source.close(NAME);
    await source.close(NAME);
    expect(await source.list()).toEqual(['pa-test-7']);
  });

  it.each([
    ['exit 75', 'no-capacity'],
    ['echo no such queue >&2; exit 3', 'failed'],
    ['sleep 60', 'failed'],
  ])('says why it was refused: %s', async (open, reason) => {
    const source = sourceOf({
      ...{ name: 'slurm', kind: 'command', accelerators: ['T4'], timeoutSeconds: 0.5 },
      open: script('open.sh', open),
      close: ['true'],
      list: ['true'],
    });
    const refused = await refusalOf(source.open(request));
    expect(refused.reason).toBe(reason);
    expect(refused.message).toMatch(/slurm: /);
    expect(refused.message).not.toContain(SECRET);
  });

  it('says that a program is not there', async () => {
    const source = sourceOf({
      ...{ name: 'sky', kind: 'command', accelerators: ['T4'] },
      ...{ open: [join(folder, 'none')], close: ['true'], list: ['true'] },
    });
    expect((await refusalOf(source.open(request))).reason).toBe('settings');
  });

  it('gets nothing of this process’s environment that it does not need', async () => {
    process.env.A_SECRET_OF_THE_WORKER = 'x';
    const source = sourceOf({
      ...{ name: 'sky', kind: 'command', accelerators: ['T4'] },
      ...{ open: script('env.sh', `env > ${join(folder, 'env')}`), close: ['true'], list: ['true'] },
    });
    await source.open(request);
    const names = readFileSync(join(folder, 'env'), 'utf8')
      .split('\n')
      .map((line) => line.split('=')[0]);
    delete process.env.A_SECRET_OF_THE_WORKER;
    expect(names).not.toContain('A_SECRET_OF_THE_WORKER');
    expect(names).toEqual(expect.arrayContaining(['PLEIN_AIR_SESSION', 'TEMPORAL_ADDRESS', 'HF_TOKEN']));
  });
});

describe('the source "colab"', () => {
  const colab = () =>
    sourceOf({
      ...{ name: 'colab', kind: 'colab', accelerators: ['T4'], paid: true },
      program: [process.execPath, resolve('test/gpu-sources/colab-double.mjs'), folder],
    });
  const state = (change: object) =>
    writeFileSync(
      join(folder, 'state.json'),
      JSON.stringify({ sessions: {}, orphans: [], trap: null, limit: 3, ...change }),
    );
  const sessions = () =>
    Object.keys(JSON.parse(readFileSync(join(folder, 'state.json'), 'utf8')).sessions as object);

  it('opens a session once, starts the worker in it, lists and closes it', async () => {
    const source = colab();
    await source.open(request);
    await source.open(request);
    expect(await source.list()).toEqual([NAME]);
    expect(readFileSync(join(folder, 'worker'), 'utf8')).toBe(SECRET);
    const calls = readFileSync(join(folder, 'calls.log'), 'utf8');
    expect(calls.match(/"new"/g)).toHaveLength(1);
    expect(calls).not.toContain(SECRET);
    await source.close(NAME);
    await source.close(NAME);
    expect(await source.list()).toEqual([]);
  });

  it.each([
    ['401', 'credentials', /colab login/],
    ['400', 'no-entitlement', /compute units/],
    ['503', 'no-capacity', /none is free/],
    ['other-card', 'no-capacity', /asked for T4, got A100; closed/],
    ['exec-fails', 'failed', /set-up failed/],
  ])('leaves nothing open when it meets %s', async (trap, reason, words) => {
    state({ trap });
    const refused = await refusalOf(colab().open(request));
    expect(refused.reason).toBe(reason);
    expect(refused.message).toMatch(words);
    expect(sessions()).toEqual([]);
  });

  it('says that too many sessions are open', async () => {
    state({ limit: 0 });
    const refused = await refusalOf(colab().open(request));
    expect([refused.reason, refused.message]).toEqual(['quota', expect.stringMatching(/close one/)]);
  });

  it('never asks for an accelerator that would silently become another one', async () => {
    const refused = await refusalOf(colab().open({ ...request, accelerator: 'P100' }));
    expect(refused.reason).toBe('settings');
    expect(existsSync(join(folder, 'calls.log'))).toBe(false);
  });

  it('takes a session that the back end has pruned for closed, and sees no session of others as its own', async () => {
    state({ sessions: { [NAME]: 'T4', mine: 'T4' }, orphans: ['gpu-t4-s-1'], trap: 'pruned' });
    const source = colab();
    expect(await source.list()).toEqual([NAME]);
    await source.close(NAME);
    expect(await source.list()).toEqual([]);
  });

  it('does not take a failing list for an empty one', async () => {
    state({ trap: 'sessions-fail' });
    expect((await refusalOf(colab().list())).reason).toBe('failed');
  });
});

describe('the source "hf-jobs"', () => {
  const jobs = (url: string, more: object = {}, token = TOKEN) =>
    sourceOf(
      {
        ...{
          name: 'jobs',
          kind: 'hf-jobs',
          accelerators: ['T4'],
          image: 'here',
          flavors: { T4: 't4-small' },
        },
        command: ['sh', '-c', 'sleep 600'],
        ...more,
      },
      { jobs: { endpoint: url, token, namespace: 'plein-air' } },
    );

  it('opens once, lists and closes, and says why it was refused', async () => {
    const here = { cwd: folder, environment: { PATH: process.env.PATH ?? '' } };
    const hub = await startHubInTest({ runJobs: { images: { here } } });
    try {
      const source = jobs(hub.url);
      await source.open(request);
      await source.open(request);
      expect(await source.list()).toEqual([NAME]);
      const headers = { authorization: `Bearer ${TOKEN}` };
      const listed = await (await fetch(`${hub.url}/api/jobs/plein-air`, { headers })).text();
      expect(JSON.parse(listed)).toHaveLength(1);
      expect(listed).not.toContain(SECRET);
      await source.close(NAME);
      await source.close(NAME);
      expect(await source.list()).toEqual([]);
      const reasons = async (source: GpuSource) => (await refusalOf(source.open(request))).reason;
      expect(await reasons(jobs(hub.url, {}, 'hf_wrong'))).toBe('credentials');
      expect(await reasons(jobs(hub.url, { namespace: 'other' }))).toBe('no-entitlement');
      expect(await reasons(jobs(hub.url, { image: 'elsewhere' }))).toBe('settings');
      expect(await reasons(jobs(hub.url, { flavors: { L4: 'l4x1' } }))).toBe('settings');
      expect(await reasons(jobs('http://127.0.0.1:9'))).toBe('failed');
    } finally {
      await hub.stop();
    }
  });
});

describe('the operator’s file', () => {
  it('is read as YAML, and every problem is named with the file', () => {
    const path = join(folder, 'gpu-sources.yaml');
    writeFileSync(path, 'sources:\n  - name: here\n    kind: local\n    accelerators: [T4]\n');
    expect(readSourcesFile(path).sources).toHaveLength(1);
    writeFileSync(path, 'sources:\n  - name: here\n    kind: remote\n');
    expect(() => readSourcesFile(path)).toThrow(/gpu-sources.yaml is no file of GPU sources:\n.*kind/s);
    writeFileSync(path, 'sources: [');
    expect(() => readSourcesFile(path)).toThrow(/cannot be read/);
    expect(() => readSourcesFile(join(folder, 'none'))).toThrow(/cannot be read/);
  });
});
