import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { PipelineError } from '../../../src/domain/errors.ts';
import type { RepoRef } from '../../../src/domain/refs.ts';
import type { GpuProgress, TrainRequest } from '../../../src/domain/run/activities.ts';
import type { Training } from '../../../src/domain/training/training.ts';
import { connectHub } from '../../../src/hub/client.ts';
import type { Hub } from '../../../src/hub/hub.ts';
import type { Trainer } from '../../../src/trainer/trainer.ts';
import { attempt, EVERY, openStand, QUICK, readJson, STEPS, type Stand, TOKEN } from '../training-stand.ts';

/** Real trainers on a machine that may be busy with much else. */
jest.setTimeout(300_000);

let stand: Stand;
/** A trainer that has imported everything, for the attempts that nobody kills. */
let warm: Trainer;
/** A trainer that is stopped and killed. */
let victim: Trainer;
/** What a run gives that nothing disturbs. */
let whole: Training;

beforeAll(async () => {
  stand = await openStand();
  warm = stand.newTrainer();
  victim = stand.newTrainer();
  const training = attempt(stand, stand.request('whole'), { trainer: warm }).result;
  await Promise.all([training, victim.call('probe', {})]);
  whole = await training;
}, 300_000);
afterAll(() => stand.close());

const repoOf = (request: TrainRequest): RepoRef => ({
  type: 'model',
  repo: request.context.repos.checkpoints,
});

/** Whether an attempt has a checkpoint on the Hub and has trained on since. */
const isBetween = ({ metrics, lastCheckpoint }: GpuProgress) =>
  lastCheckpoint !== null && (metrics.step ?? 0) > lastCheckpoint.step;

/** The step at which a request's second attempt began. */
async function secondResumedFrom(request: TrainRequest): Promise<number> {
  const ledger = (await readJson(stand, request, 'ledger.json')) as { attempts: { resumedFrom: number }[] };
  return ledger.attempts[1]?.resumedFrom ?? Number.NaN;
}

/** A promise that the first heartbeat with a property fulfils. */
function firstBeat(property: (beat: GpuProgress) => boolean): {
  onBeat: (beat: GpuProgress) => void;
  seen: Promise<GpuProgress>;
} {
  let found: (beat: GpuProgress) => void = () => undefined;
  const seen = new Promise<GpuProgress>((resolve) => {
    found = resolve;
  });
  return { onBeat: (beat) => (property(beat) ? found(beat) : undefined), seen };
}

describe('an uninterrupted training', () => {
  it('ends at the last step with an adapter on the Hub and nothing repeated', async () => {
    expect(whole).toMatchObject({
      outcome: 'done',
      step: STEPS,
      steps: STEPS,
      repeatedSteps: 0,
      preemptions: 0,
    });
    const files = await stand.hub.list(repoOf(stand.request('whole')), whole.checkpoint.commit);
    const paths = files.map(({ path }) => path);
    expect(paths).toContain(`${whole.path}/pytorch_lora_weights.safetensors`);
    expect(paths).toEqual(
      expect.arrayContaining([
        ...['NOTICE', 'README.md', 'fence.json', 'latest.json', 'ledger.json', 'metrics.jsonl'],
      ]),
    );
  });

  it('keeps no more checkpoints than it was told to', async () => {
    const files = await stand.hub.list(repoOf(stand.request('whole')), 'main', 'checkpoints');
    const folders = new Set(files.map(({ path }) => path.split('/')[1]));
    // The newest, the one before it, and the best: which they are depends on how fast the Hub took the earlier ones.
    expect([2, 3]).toContain(folders.size);
    expect([...folders].at(-1)).toBe('step-00000040');
  });

  it('leaves one line of figures for every step', async () => {
    const log = await stand.hub.read(repoOf(stand.request('whole')), 'main', 'metrics.jsonl');
    const lines = (log?.toString() ?? '').trim().split('\n');
    const steps = lines.map((line) => (JSON.parse(line) as { step: number }).step);
    expect(steps).toEqual(Array.from({ length: STEPS + 1 }, (_, step) => step));
  });

  it('is returned at once when it is asked for again: no trainer, no commit', async () => {
    const unused: Trainer = {
      pid: null,
      call: () => Promise.reject(new Error('called')),
      checkpoint: () => undefined,
      kill: () => undefined,
      close: async () => undefined,
    };
    const again = await attempt(stand, stand.request('whole'), { trainer: unused }).result;
    expect(again).toEqual(whole);
  });
});

describe('two attempts at once', () => {
  it('have one publisher: the one that took the fence last; the other stops as fenced', async () => {
    const request = stand.request('twins');
    const [first, taken] = [firstBeat(() => true), firstBeat(() => true)];
    const older = attempt(stand, request, { trainer: victim, number: 1, onBeat: first.onBeat }).result;
    older.catch(() => undefined);
    await first.seen;
    const newer = attempt(stand, request, { trainer: warm, number: 2, onBeat: taken.onBeat }).result;
    await expect(older).rejects.toMatchObject({ kind: 'Fenced' });
    await newer;
    const ledger = (await readJson(stand, request, 'ledger.json')) as { attempts: object[] };
    expect(ledger).toMatchObject({
      result: { adapterSha256: whole.adapterSha256 },
      attempts: [{ ended: 'preempted' }, { ended: 'done' }],
    });
  });

  it('leave the fence to the later one, where the earlier one slept before it took it', async () => {
    const request = stand.request('sleeper');
    let wake: () => void = () => undefined;
    const asleep = new Promise<void>((resolve) => {
      wake = resolve;
    });
    // Stands still between its look at the branch and its commit, as a machine that is frozen.
    const hub: Hub = {
      ...stand.hub,
      commit: async (commit) => {
        await asleep;
        return stand.hub.commit(commit);
      },
    };
    const earlier = attempt(stand, request, { trainer: victim, hub, number: 1 }).result;
    earlier.catch(() => undefined);
    const begun = firstBeat(({ metrics }) => (metrics.step ?? 0) >= 1);
    const later = attempt(stand, request, { trainer: warm, number: 2, onBeat: begun.onBeat }).result;
    await begun.seen;
    wake();
    await expect(earlier).rejects.toMatchObject({ kind: 'Fenced' });
    expect(await later).toMatchObject({ outcome: 'done', adapterSha256: whole.adapterSha256 });
  });
});

describe('a history that somebody squashes', () => {
  it('in the middle of a training disturbs neither it nor one that is about to go on', async () => {
    const request = stand.request('squashed');
    const squashes: Promise<unknown>[] = [];
    const onBeat = (beat: GpuProgress) => {
      if (isBetween(beat) && squashes.length === 0)
        squashes.push(stand.hub.squash(repoOf(request), 'main', 'By a stranger'));
    };
    const result = await attempt(stand, request, { trainer: warm, onBeat }).result;
    expect(await Promise.all(squashes)).toHaveLength(1);
    expect(result.adapterSha256).toBe(whole.adapterSha256);
    expect(await stand.hub.resolve(repoOf(request))).toBe(result.checkpoint.commit);
  });

  it('just when an attempt has read its head is no damage: the attempt finds the same checkpoint in the new one', async () => {
    const request = stand.request('moved');
    const between = firstBeat(isBetween);
    const first = attempt(stand, request, { trainer: warm, onBeat: between.onBeat });
    first.result.catch(() => undefined);
    await between.seen;
    first.cancel('CANCELLED');
    await expect(first.result).rejects.toThrow('CANCELLED');
    const gone = new Set<string>();
    const hub: Hub = {
      ...stand.hub,
      // As on a Hub that forgets squashed commits at once: they are not found, by whatever they are asked for.
      resolve: async (repo, revision) =>
        revision !== undefined && gone.has(revision) ? null : stand.hub.resolve(repo, revision),
      download: async (p) => {
        if (p.folder?.startsWith('checkpoints/') && gone.size === 0) {
          gone.add(p.commit);
          await stand.hub.squash(p.repo, 'main', 'By a stranger');
        }
        if (gone.has(p.commit)) throw new PipelineError('HubRefused', 'gone', { details: { status: 404 } });
        return stand.hub.download(p);
      },
    };
    const said: string[] = [];
    const log = (line: string) => said.push(line);
    const result = await attempt(stand, request, { trainer: warm, number: 2, hub, log }).result;
    expect(gone.size).toBe(1);
    expect(said.join()).not.toContain('damaged');
    expect(result).toMatchObject({ adapterSha256: whole.adapterSha256, repeatedSteps: 0 });
  });
});

describe('a checkpoint of other circumstances', () => {
  it('is refused field by field; accepted, it is gone on from and the ledger says what differed', async () => {
    const request = stand.request('warmer', { stopAtStep: 4 });
    await attempt(stand, request, { trainer: warm }).result;
    const other = stand.request('warmer', { stopAtStep: 8 });
    other.context.config.training.learningRate *= 2;
    await expect(attempt(stand, other, { trainer: warm }).result).rejects.toMatchObject({
      kind: 'InvalidInput',
      message: expect.stringContaining('training.learningRate'),
    });
    other.acceptDifferences = ['training.learningRate'];
    expect(await attempt(stand, other, { trainer: warm }).result).toMatchObject({ step: 8 });
    const ledger = (await readJson(stand, other, 'ledger.json')) as { attempts: { accepted: string[] }[] };
    expect(ledger.attempts.at(-1)?.accepted).toEqual([
      expect.stringMatching(/^training.learningRate: [\d.]+ -> [\d.]+$/),
    ]);
  });
});

describe('a training whose session dies', () => {
  it('is exact when its trainer is killed in the middle and another machine goes on', async () => {
    const request = stand.request('killed');
    const between = firstBeat(isBetween);
    const first = attempt(stand, request, { trainer: victim, onBeat: between.onBeat });
    await between.seen;
    process.kill(-(victim.pid as number), 'SIGKILL');
    await expect(first.result).rejects.toMatchObject({ kind: 'TrainerDied', retryable: true });

    const before = first.beats.at(-1);
    const second = attempt(stand, request, { trainer: warm, number: 2, before });
    const result = await second.result;
    expect(result.adapterSha256).toBe(whole.adapterSha256);
    expect(result.preemptions).toBe(1);
    const resumedFrom = await secondResumedFrom(request);
    expect(resumedFrom).toBeGreaterThan(0);
    // None where what it wrote last reached the Hub after its death.
    expect(result.repeatedSteps).toBe(Math.max(0, (before?.metrics.step ?? Number.NaN) - resumedFrom));
    // One interval, and another when it dies while a checkpoint is being written.
    expect(result.repeatedSteps).toBeLessThanOrEqual(2 * EVERY);
    const stages = new Set(second.beats.map(({ stage }) => stage));
    expect([...stages]).toEqual(expect.arrayContaining(['download checkpoint', 'download latents', 'train']));
    expect(stages).not.toContain('captions');
  });

  it('counts as one preemption where one of two processes is lost, and one alone goes on to the same bytes', async () => {
    const pair = stand.newTrainer(2);
    const request = stand.request('pair');
    const between = firstBeat(isBetween);
    const first = attempt(stand, request, { trainer: pair, onBeat: between.onBeat });
    const before = await between.seen;
    const launcher = pair.pid as number;
    const ranks = readFileSync(`/proc/${launcher}/task/${launcher}/children`, 'utf8').trim().split(' ');
    expect(ranks).toHaveLength(2);
    process.kill(Number(ranks[1]), 'SIGKILL');
    await expect(first.result).rejects.toMatchObject({ kind: 'TrainerDied', retryable: true });
    const result = await attempt(stand, request, { trainer: warm, number: 2, before }).result;
    expect(result).toMatchObject({ adapterSha256: whole.adapterSha256, preemptions: 1 });
  });

  it('is published by its successor alone: the one that wakes up later is fenced', async () => {
    const request = stand.request('zombie');
    const between = firstBeat(isBetween);
    const zombie = attempt(stand, request, { trainer: victim, onBeat: between.onBeat });
    zombie.result.catch(() => undefined);
    const before = await between.seen;
    process.kill(-(victim.pid as number), 'SIGSTOP');
    const result = await attempt(stand, request, { trainer: warm, number: 2, before }).result;
    process.kill(-(victim.pid as number), 'SIGCONT');
    await expect(zombie.result).rejects.toMatchObject({ kind: 'Fenced', retryable: false });
    expect(result.adapterSha256).toBe(whole.adapterSha256);
    expect(result.preemptions).toBe(1);
    expect(await stand.hub.resolve(repoOf(request))).toBe(result.checkpoint.commit);
  });

  // The first is in LFS, whose sha256 the listing shows; the second shows its damage only when it is downloaded.
  it.each(['optimizer.safetensors', 'state.json'])(
    'passes over a newest checkpoint whose %s is damaged, says so, and ends with the same bytes',
    async (name) => {
      const request = stand.request(`damaged-${name.length}`);
      const between = firstBeat(isBetween);
      const first = attempt(stand, request, { trainer: warm, onBeat: between.onBeat });
      first.result.catch(() => undefined);
      await between.seen;
      first.cancel('CANCELLED');
      await expect(first.result).rejects.toThrow('CANCELLED');
      const latest = (await readJson(stand, request, 'latest.json')) as { path: string; step: number };
      const path = `${latest.path}/${name}`;
      const entry = await stand.hub.stat(repoOf(request), 'main', path);
      const content = Buffer.alloc(entry?.bytes ?? 0, 1);
      await stand.hub.commit({ repo: repoOf(request), message: 'Damage', files: [{ path, content }] });

      const said: string[] = [];
      const log = (line: string) => said.push(line);
      const result = await attempt(stand, request, { trainer: warm, number: 2, log }).result;
      expect(result.adapterSha256).toBe(whole.adapterSha256);
      expect(said.join('\n')).toMatch(new RegExp(`skipped a corrupt checkpoint: ${latest.path}.*${name}`));
      expect(await secondResumedFrom(request)).toBeLessThan(latest.step);
    },
  );
});

describe('a training that is asked to end', () => {
  it('by a cancel has its last step on the Hub before it ends, and counts no preemption', async () => {
    const request = stand.request('cancelled');
    const stepped = firstBeat(({ metrics }) => (metrics.step ?? 0) >= 2);
    const first = attempt(stand, request, { trainer: warm, onBeat: stepped.onBeat });
    first.result.catch(() => undefined);
    await stepped.seen;
    first.cancel('CANCELLED');
    await expect(first.result).rejects.toThrow('CANCELLED');
    expect(await readJson(stand, request, 'ledger.json')).toMatchObject({ attempts: [{ ended: 'stopped' }] });
    const latest = (await readJson(stand, request, 'latest.json')) as { step: number };
    expect(latest.step).toBeGreaterThanOrEqual(2);

    const result = await attempt(stand, request, { trainer: warm, number: 2 }).result;
    expect(result).toMatchObject({ adapterSha256: whole.adapterSha256, preemptions: 0, repeatedSteps: 0 });
  });

  it('by its worker shutting down is retryable and saved', async () => {
    const request = stand.request('shut-down');
    const stepped = firstBeat(({ metrics }) => (metrics.step ?? 0) >= 2);
    const first = attempt(stand, request, { trainer: warm, onBeat: stepped.onBeat });
    first.result.catch(() => undefined);
    await stepped.seen;
    first.cancel('WORKER_SHUTDOWN');
    await expect(first.result).rejects.toMatchObject({ kind: 'TrainerDied', retryable: true });
    expect(await readJson(stand, request, 'ledger.json')).toMatchObject({ attempts: [{ ended: 'stopped' }] });
  });

  it.each(['NOT_FOUND', 'TIMED_OUT'])(
    'because Temporal gave it up (%s) publishes nothing more',
    async (reason) => {
      const request = stand.request(`given-up-${reason === 'TIMED_OUT' ? 1 : 2}`);
      request.context.config.training.checkpointEvery = 1000;
      const stepped = firstBeat(({ metrics }) => (metrics.step ?? 0) >= 1);
      const first = attempt(stand, request, { trainer: warm, onBeat: stepped.onBeat });
      first.result.catch(() => undefined);
      await stepped.seen;
      const head = await stand.hub.resolve(repoOf(request));
      first.cancel(reason);
      await expect(first.result).rejects.toThrow(reason);
      expect(await stand.hub.resolve(repoOf(request))).toBe(head);
    },
  );

  it('by its wall clock ends with what is saved, counted from when the phase was first scheduled', async () => {
    const request = stand.request('late');
    request.context.config.budget.wallClockHours = 1;
    const info = { scheduledTimestampMs: Date.now() - 2 * 3600_000 };
    await expect(attempt(stand, request, { trainer: warm, info }).result).rejects.toMatchObject({
      kind: 'BudgetExhausted',
      message: expect.stringMatching(/1 hours.*budget.wallClockHours.*got 2.00.*plein-air resume late/),
    });
  });

  it.each([-1, 1])('does not come from a wall clock that is set by %i h meanwhile', async (hours) => {
    const request = stand.request(`clock-${hours + 1}`);
    request.context.config.budget.gpuHours = 0.5;
    const right = Date.now;
    const onBeat = ({ metrics }: GpuProgress) => {
      if ((metrics.step ?? 0) >= 1) Date.now = () => right() + hours * 3600_000;
    };
    const { result } = attempt(stand, request, { trainer: warm, onBeat });
    const training = await result.finally(() => {
      Date.now = right;
    });
    expect(training).toMatchObject({ outcome: 'done', adapterSha256: whole.adapterSha256 });
    expect(training.gpuSeconds).toBeGreaterThan(0);
    expect(training.gpuSeconds).toBeLessThan(1800);
  });

  it('by its storage budget is refused before anything is downloaded, with the figures', async () => {
    const request = stand.request('crowded');
    request.context.config.budget.storageGb = 1e-6;
    const running = attempt(stand, request, { trainer: warm });
    await expect(running.result).rejects.toMatchObject({
      kind: 'InvalidInput',
      message: expect.stringMatching(/budget.storageGb.*GB a checkpoint/),
    });
    expect(running.beats.filter(({ stage }) => stage.startsWith('download'))).toEqual([]);
  });

  it('by its GPU budget ends with what is saved and says how to go on', async () => {
    const request = stand.request('poor');
    request.context.config.budget.gpuHours = 1e-9;
    await expect(attempt(stand, request, { trainer: warm }).result).rejects.toMatchObject({
      kind: 'BudgetExhausted',
      message: expect.stringContaining('plein-air resume poor'),
    });
    expect(await readJson(stand, request, 'ledger.json')).toMatchObject({ attempts: [{ ended: 'stopped' }] });
  });
});

describe('a Hub that goes away for a while', () => {
  it('does not stop the training, which publishes when it is back', async () => {
    let down = false;
    const flaky: typeof fetch = (input, init) =>
      down ? Promise.resolve(new Response('{"error":"maintenance"}', { status: 503 })) : fetch(input, init);
    const hub = connectHub({ endpoint: stand.url, accessToken: TOKEN, fetch: flaky, patience: QUICK });
    const request = stand.request('maintenance');
    const said: string[] = [];
    const running = attempt(stand, request, {
      trainer: warm,
      hub,
      log: (line) => said.push(line),
      onBeat: ({ stage, metrics }) => {
        const step = metrics.step ?? 0;
        if (stage === 'train' && step >= 2 && step < STEPS) down = true;
        if (step === STEPS) down = false;
      },
    });
    const result = await running.result;
    expect(said.join('\n')).toContain('training continues');
    expect(running.beats.filter(({ lastCheckpoint }) => lastCheckpoint?.step === EVERY)).toEqual([]);
    expect(result.adapterSha256).toBe(whole.adapterSha256);
    expect(await stand.hub.resolve(repoOf(request))).toBe(result.checkpoint.commit);
  });
});

describe('a Hub that takes its time', () => {
  it('is asked again no sooner than its 429 said, and training neither stops nor changes', async () => {
    const WAIT_MS = 1000;
    const opens = new Map<string, number>();
    const early: string[] = [];
    let limited = 0;
    let training = false;
    const busy: typeof fetch = (input, init) => {
      const url = input instanceof Request ? input.url : String(input);
      const path = new URL(url).pathname;
      const asked = `${init?.method ?? 'GET'} ${path}`;
      const opensAt = opens.get(asked);
      if (opensAt !== undefined && performance.now() < opensAt - 5) early.push(asked);
      const upload = training && /\/(preupload|commit)\/|\/info\/lfs\//.test(path);
      if (!upload || opensAt !== undefined) return fetch(input, init);
      // Every kind of request that an upload is made of is turned away once.
      limited += 1;
      opens.set(asked, performance.now() + WAIT_MS);
      const headers = { 'retry-after': String(WAIT_MS / 1000) };
      return Promise.resolve(new Response('{"error":"Too many requests"}', { status: 429, headers }));
    };
    const patience = { ...QUICK, longestRateLimitMs: 5 * WAIT_MS };
    const hub = connectHub({ endpoint: stand.url, accessToken: TOKEN, fetch: busy, patience });
    const request = stand.request('limited');
    const result = await attempt(stand, request, {
      trainer: warm,
      hub,
      onBeat: ({ stage }) => {
        if (stage === 'train') training = true;
      },
    }).result;
    expect(limited).toBeGreaterThanOrEqual(3);
    expect(early).toEqual([]);
    expect(result).toMatchObject({ adapterSha256: whole.adapterSha256, repeatedSteps: 0 });
    expect(await readJson(stand, request, 'ledger.json')).toMatchObject({ attempts: [{ ended: 'done' }] });
  });

  it('over a checkpoint holds nothing up: training comes to its end, and the newest one takes the place of those that wait', async () => {
    let arrived: () => void = () => undefined;
    const end = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    let held = 0;
    const slow: typeof fetch = async (input, init) => {
      const url = input instanceof Request ? input.url : String(input);
      if (/\/commit\//.test(url) && String(init?.body).includes('checkpoints/step-')) {
        held += 1;
        await end;
      }
      return fetch(input, init);
    };
    const hub = connectHub({ endpoint: stand.url, accessToken: TOKEN, fetch: slow, patience: QUICK });
    const request = stand.request('slow');
    const result = await attempt(stand, request, {
      trainer: warm,
      hub,
      onBeat: ({ metrics }) => {
        if (metrics.step === STEPS) arrived();
      },
    }).result;
    expect(held).toBeGreaterThan(0);
    expect(result.adapterSha256).toBe(whole.adapterSha256);
    const ledger = (await readJson(stand, request, 'ledger.json')) as { attempts: { checkpoints: number }[] };
    expect(ledger.attempts[0]?.checkpoints).toBeLessThan(STEPS / EVERY);
  });
});

describe('a Hub that stays away', () => {
  it('ends the training once its unsaved work exceeds the limit, and says which', async () => {
    let down = false;
    const flaky: typeof fetch = (input, init) =>
      down ? Promise.reject(new TypeError('fetch failed')) : fetch(input, init);
    const hub = connectHub({ endpoint: stand.url, accessToken: TOKEN, fetch: flaky, patience: QUICK });
    const request = stand.request('away');
    request.context.config.checkpoints.unsavedMinutes = 1e-3;
    request.context.config.training.steps = 4000;
    const onBeat = ({ stage, metrics }: GpuProgress) => {
      if (stage === 'train' && (metrics.step ?? 0) >= 2) down = true;
    };
    await expect(attempt(stand, request, { trainer: warm, hub, onBeat }).result).rejects.toMatchObject({
      kind: 'HubUnavailable',
      retryable: true,
      message: expect.stringContaining('checkpoints.unsavedMinutes'),
    });
  });
});

describe('a trial', () => {
  it('has a branch of its own, stops early, and can be continued to the bytes of a whole run', async () => {
    await attempt(stand, stand.request('trial-run', { stopAtStep: 2 }), { trainer: warm }).result;
    const trial = stand.request('trial-run', { branch: 'trial-0', stopAtStep: 6 });
    const short = await attempt(stand, trial, { trainer: warm }).result;
    expect(short).toMatchObject({ outcome: 'done', step: 6, steps: STEPS, preemptions: 0 });
    const onMain = await stand.hub.list(repoOf(trial), 'main', 'checkpoints');
    expect(onMain.every(({ path }) => path.includes('step-00000002'))).toBe(true);
    const onTrial = await stand.hub.list(repoOf(trial), 'trial-0', 'checkpoints');
    expect(onTrial.some(({ path }) => path.includes('step-00000002'))).toBe(false);

    const continued = await attempt(stand, { ...trial, stopAtStep: null }, { trainer: warm }).result;
    expect(continued).toMatchObject({ step: STEPS, adapterSha256: whole.adapterSha256 });
  });

  it('with a parameter out of its range is refused with the field named', async () => {
    const request = stand.request('bad', { branch: 'trial-0', parameters: { rank: 0 } });
    await expect(attempt(stand, request, { trainer: warm }).result).rejects.toMatchObject({
      kind: 'InvalidInput',
      message: expect.stringContaining('parameters.rank'),
    });
  });
});

describe('the training of a chosen trial', () => {
  it('goes on from the trial’s checkpoint to the bytes of a training from the start', async () => {
    const request = stand.request('chosen');
    await attempt(stand, { ...request, branch: 'trial-3', stopAtStep: 15 }, { trainer: warm }).result;
    const log: string[] = [];
    const main = { ...request, continueFrom: 'trial-3' };
    const result = await attempt(stand, main, { trainer: warm, log: (line) => log.push(line) }).result;
    expect(log.join('\n')).toContain('continues at step 15 from branch trial-3');
    expect(result).toMatchObject({ step: STEPS, adapterSha256: whole.adapterSha256, repeatedSteps: 0 });
    const metrics = await stand.hub.read(repoOf(request), 'main', 'metrics.jsonl');
    const steps = (metrics?.toString() ?? '')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).step);
    expect(steps).toEqual(Array.from({ length: STEPS + 1 }, (_, step) => step));
  });

  it('starts anew where the trial was trained with other settings, and says so', async () => {
    const request = stand.request('other');
    const other = { ...request, branch: 'trial-3', stopAtStep: 5, parameters: { learningRate: 0.02 } };
    await attempt(stand, other, { trainer: warm }).result;
    const log: string[] = [];
    const main = { ...request, continueFrom: 'trial-3' };
    const result = await attempt(stand, main, { trainer: warm, log: (line) => log.push(line) }).result;
    expect(log.join('\n')).toContain('not continued from trial-3');
    expect(result).toMatchObject({ step: STEPS, adapterSha256: whole.adapterSha256 });
  });

  it('starts anew where there is no such branch', async () => {
    const request = stand.request('none', { continueFrom: 'trial-9', stopAtStep: 2 });
    expect((await attempt(stand, request, { trainer: warm }).result).step).toBe(2);
    expect(await stand.hub.resolve(repoOf(request), 'trial-9')).toBeNull();
  });
});
