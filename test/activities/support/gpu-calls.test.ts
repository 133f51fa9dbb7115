import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { GpuCalls } from '../../../src/activities/support/gpu-calls.ts';
import type { GpuProgress } from '../../../src/domain/run/activities.ts';
import type { TrainerEvent } from '../../../src/domain/trainer-protocol.ts';
import type { Hub } from '../../../src/hub/hub.ts';
import type { Trainer } from '../../../src/trainer/trainer.ts';

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

/** A trainer that says what the test says; its one request ends when it is killed. */
function quiet() {
  const beats: GpuProgress[] = [];
  let say: (event: TrainerEvent) => void = () => undefined;
  let die: (error: unknown) => void = () => undefined;
  const call: Trainer['call'] = (_verb, _params, options) => {
    say = options?.onEvent ?? say;
    return new Promise((_, reject) => {
      die = reject;
    });
  };
  const kill = jest.fn(() => die(new Error('killed')));
  const trainer = { call, kill } as Partial<Trainer> as Trainer;
  const calls = new GpuCalls({ hub: {} as Hub, trainer, workDir: '', heartbeat: (b) => beats.push(b) }, 128);
  const working = calls.call('export', {} as never, 'exporting');
  return { beats, kill, calls, working, say: (event: TrainerEvent) => say(event) };
}
const MINUTE = 60_000;
const painted: TrainerEvent = {
  ...{ event: 'progress', id: 'export-1', stage: 'sample', done: 16, total: 128, etaSeconds: 90 },
};

it('gives signs of life for a trainer that imports or loads in silence, with what is known so far', () => {
  const { beats, say, working } = quiet();
  working.catch(() => undefined);
  jest.advanceTimersByTime(MINUTE);
  expect(beats.length).toBeGreaterThan(20);
  expect(beats.at(-1)).toMatchObject({ stage: 'exporting', done: 0, total: 128 });
  say(painted);
  const before = beats.length;
  jest.advanceTimersByTime(5 * MINUTE);
  expect(beats.length).toBeGreaterThan(before + 100);
  expect(beats.at(-1)).toMatchObject({ stage: 'exporting', done: 16, total: 128, etaSeconds: 90 });
});

it('kills one that is silent for ten minutes, before or after its first event', async () => {
  const { kill, say, working } = quiet();
  const died = expect(working).rejects.toMatchObject({
    kind: 'TrainerDied',
    message: expect.stringContaining('at least every 600 s'),
  });
  jest.advanceTimersByTime(9 * MINUTE);
  say(painted);
  jest.advanceTimersByTime(9 * MINUTE);
  expect(kill).not.toHaveBeenCalled();
  jest.advanceTimersByTime(2 * MINUTE);
  expect(kill).toHaveBeenCalled();
  await died;
});

it('gives signs of life for as long as an upload takes, and none after', async () => {
  const { calls, beats, working } = quiet();
  working.catch(() => undefined);
  let resolve: (commit: string) => void = () => undefined;
  const upload = calls.uploading(
    'storing',
    () =>
      new Promise<string>((done) => {
        resolve = done;
      }),
  );
  const before = beats.length;
  jest.advanceTimersByTime(30 * MINUTE);
  expect(beats.slice(before).filter(({ stage }) => stage === 'storing').length).toBeGreaterThan(800);
  resolve('commit');
  expect(await upload).toBe('commit');
  const after = beats.filter(({ stage }) => stage === 'storing').length;
  jest.advanceTimersByTime(MINUTE);
  expect(beats.filter(({ stage }) => stage === 'storing')).toHaveLength(after);
});
