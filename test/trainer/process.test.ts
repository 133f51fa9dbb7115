import { AsyncLocalStorage } from 'node:async_hooks';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import { pythonPath, readEnvironment } from '../../src/config/env.ts';
import { PROJECT } from '../../src/config/paths.ts';
import type { TrainerEvent } from '../../src/domain/trainer-protocol.ts';
import { createTrainer } from '../../src/trainer/process.ts';
import type { Trainer } from '../../src/trainer/trainer.ts';

const python = pythonPath(readEnvironment());
const log: string[] = [];
let trainer: Trainer;

function start(packageFolder: string, environment: Record<string, string> = {}, processes = 1): Trainer {
  log.length = 0;
  trainer = createTrainer({
    python,
    packageFolder,
    processes,
    log: (line) => log.push(line),
    environment: { PATH: '/usr/bin:/bin', ...environment },
    stopGraceMs: 200,
    killGraceMs: 200,
  });
  return trainer;
}

const fake = (environment?: Record<string, string>) => start(join(PROJECT, 'test/trainer/fake'), environment);

const TRAINING = {
  seed: 0,
  steps: 2,
  batchSize: 1,
  accumulation: 1,
  learningRate: 1e-3,
  schedule: 'constant' as const,
  scheduleSteps: 2,
  warmupSteps: 0,
  rank: 2,
  alpha: 2,
  targets: 'attention' as const,
  optimizer: 'adamw' as const,
  weightDecay: 0,
  gradientClip: 1,
  captionDropout: 0,
  flip: 0,
  timesteps: 'uniform' as const,
  guidance: 1,
  precision: 'fp32' as const,
  quantization: 'none' as const,
  offloadBlocks: 0,
  gradientCheckpointing: false,
  attention: 'auto' as const,
  compile: false,
  ema: 0,
  checkpointEvery: 1,
  heldOutEvery: 1,
  sampleEvery: 0,
  earlyStopping: 0,
  resolution: 64,
};

/** A request whose `base` tells the fake what to do wrong. */
const encode = (fault: string) => ({
  base: fault,
  dataset: 'd',
  out: 'o',
  training: TRAINING,
  stopAtStep: null,
});

const train = (fault: string) => ({
  base: fault,
  baseCommit: 'b',
  datasetCommit: 'd',
  dataset: 'd',
  cache: 'c',
  out: 'o',
  resumeFrom: null,
  acceptDifferences: [],
  stopAtStep: null,
  training: TRAINING,
  sampling: { size: 64, inferenceSteps: 2, guidance: 1 },
});

afterEach(() => trainer.close());

describe('a trainer that misbehaves', () => {
  it('by a line that is no event is ended, and the line is quoted', async () => {
    const call = fake().call('encode', encode('garbage'));
    await expect(call).rejects.toMatchObject({
      kind: 'Internal',
      message: expect.stringContaining('this is no event'),
    });
    await expect(trainer.call('probe', {})).resolves.toMatchObject({ name: 'fake' });
  });

  it('by being of another version is Internal, says both versions and what mends it', async () => {
    const call = start(join(PROJECT, 'test/trainer/fake-next')).call('probe', {});
    await expect(call).rejects.toMatchObject({
      kind: 'Internal',
      message: expect.stringMatching(/protocol 1, got one that speaks 2.*npm run setup/),
    });
  });

  it('by an exit in the middle is TrainerDied with exit code and last words, after its events were heard', async () => {
    const events: TrainerEvent[] = [];
    const call = fake().call('encode', encode('exit'), { onEvent: (event) => events.push(event) });
    await expect(call).rejects.toMatchObject({
      kind: 'TrainerDied',
      retryable: true,
      message: expect.stringContaining('the last words'),
      details: { exitCode: 3 },
    });
    expect(events).toMatchObject([{ event: 'progress', done: 1 }]);
  });

  it('by a kill is TrainerDied with the signal, and the next call starts another one', async () => {
    fake();
    await trainer.call('probe', {});
    const first = trainer.pid;
    await expect(trainer.call('encode', encode('killed'))).rejects.toMatchObject({
      kind: 'TrainerDied',
      details: { signal: 'SIGKILL' },
    });
    expect(trainer.pid).toBeNull();
    await trainer.call('probe', {});
    expect(trainer.pid).not.toBe(first);
  });

  it('by naming an error keeps living, and the error keeps its kind and details', async () => {
    await expect(fake().call('encode', encode('error'))).rejects.toMatchObject({
      kind: 'Diverged',
      retryable: false,
      details: { step: 7 },
    });
    expect(trainer.pid).not.toBeNull();
  });

  it('by a result of another shape is Internal and names the fields', async () => {
    const call = fake().call('encode', encode('wrong-result'));
    await expect(call).rejects.toMatchObject({
      kind: 'Internal',
      message: expect.stringContaining('views'),
    });
  });

  it('by hanging is killed when the caller aborts, which then sees its own reason', async () => {
    const abort = new AbortController();
    const reason = new Error('the workflow was cancelled');
    const call = fake().call('encode', encode('hang'), {
      signal: abort.signal,
      onEvent: () => abort.abort(reason),
    });
    await expect(call).rejects.toBe(reason);
    expect(trainer.pid).toBeNull();
  });

  it('by being slow to leave takes no request of the next caller into its grave', async () => {
    const abort = new AbortController();
    const reason = new Error('given up by Temporal');
    const call = fake().call('encode', encode('lingers'), {
      signal: abort.signal,
      onEvent: () => abort.abort(reason),
    });
    const first = trainer.pid;
    await expect(call).rejects.toBe(reason);
    await expect(trainer.call('probe', {})).resolves.toMatchObject({ name: 'fake' });
    expect(trainer.pid).not.toBe(first);
  });

  it('by not answering `stop` in a training is killed, and the training is TrainerDied', async () => {
    const abort = new AbortController();
    const call = fake().call('train', train('hang'), { signal: abort.signal, onEvent: () => abort.abort() });
    await expect(call).rejects.toMatchObject({ kind: 'TrainerDied', details: { signal: 'SIGKILL' } });
  });

  it('by not being there at all is TrainerDied that names the program', async () => {
    trainer = createTrainer({
      python: '/nowhere/python',
      packageFolder: '.',
      log: () => undefined,
      environment: {},
    });
    await expect(trainer.call('probe', {})).rejects.toMatchObject({
      kind: 'TrainerDied',
      message: expect.stringContaining('/nowhere/python'),
    });
  });
});

describe('a warm trainer', () => {
  it('is heard in the asynchronous context of each caller: Temporal knows by it whose heartbeat that is', async () => {
    const caller = new AsyncLocalStorage<string>();
    const heard: (string | undefined)[] = [];
    const onEvent = () => heard.push(caller.getStore());
    await caller.run('train', () => fake().call('probe', {}));
    const call = caller.run('evaluate', () => trainer.call('encode', encode('exit'), { onEvent }));
    await expect(call).rejects.toMatchObject({ kind: 'TrainerDied' });
    expect(heard).toEqual(['evaluate']);
  });
});

describe('the environment of the trainer', () => {
  it('holds no secret of the worker and keeps it offline', async () => {
    const secrets = { HF_TOKEN: 'hf_secret', TEMPORAL_API_KEY: 'secret', AWS_SECRET_ACCESS_KEY: 'secret' };
    const { versions } = await fake({ ...secrets, CUDA_VISIBLE_DEVICES: '' }).call('probe', {});
    expect(Object.keys(versions)).not.toEqual(expect.arrayContaining([expect.stringMatching(/TOKEN$|KEY$/)]));
    expect(JSON.stringify(versions)).not.toContain('secret');
    expect(versions).toMatchObject({ HF_HUB_OFFLINE: '1', CUDA_VISIBLE_DEVICES: '', OMP_NUM_THREADS: '1' });
  });
});

describe('the real trainer', () => {
  it('answers `probe` as the protocol says and leaves when it is closed', async () => {
    start(join(PROJECT, 'gpu-worker/src'));
    const probe = await trainer.call('probe', {});
    expect(probe.device).toMatch(/^(cpu|cuda)$/);
    expect(probe.versions).toHaveProperty('torch');
    const { pid } = trainer;
    await trainer.close();
    expect(() => process.kill(pid as number, 0)).toThrow('ESRCH');
  });

  it('in two processes answers as one, and none of them outlives a kill, not even one that hangs', async () => {
    start(join(PROJECT, 'gpu-worker/src'), {}, 2);
    expect(await trainer.call('probe', {})).toMatchObject({ processes: 2 });
    const launcher = trainer.pid as number;
    const ranks = readFileSync(`/proc/${launcher}/task/${launcher}/children`, 'utf8').trim().split(' ');
    expect(ranks).toHaveLength(2);
    for (const pid of ranks) process.kill(Number(pid), 'SIGSTOP');
    trainer.kill();
    await trainer.close();
    const alive = () => ranks.filter((pid) => existsSync(`/proc/${pid}/exe`));
    // The kernel ends them with the launcher; how soon is its own affair.
    while (alive().length > 0) await setImmediate();
  });
});
