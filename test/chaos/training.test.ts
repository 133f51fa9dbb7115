import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readBranch, type TrainingBranch } from '../../src/activities/train/branch.ts';
import type { TrainRequest } from '../../src/domain/run/activities.ts';
import type { Training } from '../../src/domain/training/training.ts';
import { isAlive, signalIfThere } from '../../src/wire/processes.ts';
import { TOKEN } from '../local-hub/hub-in-test.ts';
import { seeded } from '../local-hub/random.ts';
import { Fleet, type Machine, until } from './lib/fleet.ts';
import { eventOf, killAgainAndAgain, undisturbed } from './lib/killing.ts';
import { courseOf, readTrace } from './lib/trace.ts';

/** The short form of `kill-training.ts`, and what else may befall a training: on Temporal, workers and trainers as they are. */
const STEPS = 100;
const SETTINGS = {
  training: { steps: STEPS, checkpointEvery: 100_000, heldOutEvery: 50, keepCheckpoints: 2 },
  checkpoints: { maxSeconds: 2, squashEvery: 3, keepEvery: null },
};

let fleet: Fleet;
let whole: Training;

beforeAll(async () => {
  fleet = await Fleet.open();
  whole = await undisturbed(fleet, fleet.request('whole', SETTINGS));
}, 600_000);
afterAll(() => fleet.close(), 60_000);

const branchOf = ({ context }: TrainRequest): TrainingBranch => ({
  hub: fleet.hub,
  repo: { type: 'model', repo: context.repos.checkpoints },
  name: 'main',
});

/** The machine's trainer once it has reached a step beyond its first few. */
async function atWork(machine: Machine, beyond = 5): Promise<number> {
  return until('a trainer trains', async () => {
    const pid = await fleet.trainerOf(machine);
    const course = pid === null ? null : courseOf(readTrace(fleet.traces, pid));
    return course !== null && course.last >= course.from + beyond ? pid : null;
  });
}

describe('a training that is killed at random moments', () => {
  it('ends with the bytes of one that was not, and no state on the way was unusable', async () => {
    const request = fleet.request('killed', SETTINGS);
    const moments = ['machine', 'mid-upload', 'trainer', 'mid-checkpoint'] as const;
    const killed = await killAgainAndAgain({ fleet, request, quota: 3, random: seeded(5), moments });
    expect(killed.kills.flatMap(({ unusable }) => unusable)).toEqual([]);
    expect(killed.failed).toBe(0);
    expect(killed.result.adapterSha256).toBe(whole.adapterSha256);
  }, 600_000);
});

describe('a training whose trainer hangs', () => {
  it('is noticed by its silence, restarted, and ends with the same bytes', async () => {
    const request = fleet.request('hung', SETTINGS);
    const machine = await fleet.startMachine();
    const { result } = await fleet.start(request);
    const trainer = await atWork(machine);
    signalIfThere(trainer, 'SIGSTOP');
    expect((await result).adapterSha256).toBe(whole.adapterSha256);
    expect(isAlive(trainer)).toBe(false);
    await machine.worker.stop(20);
  }, 600_000);
});

describe('a zombie', () => {
  it('publishes nothing after its successor has begun, and does not end the activity', async () => {
    const request = fleet.request('zombie', SETTINGS);
    const zombie = await fleet.startMachine();
    const { result } = await fleet.start(request);
    const asleep = await atWork(zombie);
    signalIfThere(asleep, 'SIGSTOP');
    signalIfThere(zombie.worker.pid, 'SIGSTOP');
    const machine = await fleet.startMachine();
    await atWork(machine);
    signalIfThere(zombie.worker.pid, 'SIGCONT');
    signalIfThere(asleep, 'SIGCONT');
    const training = await result;
    expect(training.adapterSha256).toBe(whole.adapterSha256);
    const { ledger, fence } = await readBranch(branchOf(request));
    expect(fence?.token).toBe(2);
    expect(ledger.attempts.map(({ ended }) => ended)).toEqual(['preempted', 'done']);
    const history = await fleet.client.workflow.getHandle('zombie').fetchHistory();
    const completed = history.events?.find((event) => event.activityTaskCompletedEventAttributes != null);
    expect(completed?.activityTaskCompletedEventAttributes?.identity).toBe(machine.name);
    await Promise.all([zombie.worker.stop(20), machine.worker.stop(20)]);
  }, 600_000);
});

describe('a training that is asked to end', () => {
  it('by a cancel hears of it within seconds and has its last step on the Hub', async () => {
    const request = fleet.request('cancelled', SETTINGS);
    const machine = await fleet.startMachine();
    const run = await fleet.start(request);
    const trainer = await atWork(machine);
    const saved = eventOf(fleet, trainer, ({ event, at }) =>
      event === 'checkpoint' && at > cancelledAt ? at : null,
    );
    const cancelledAt = Date.now();
    await run.cancel();
    const savedAt = await saved;
    await expect(run.result).rejects.toThrow();
    process.stderr.write(`cancel to local checkpoint: ${(savedAt ?? Number.NaN) - cancelledAt} ms\n`);
    const course = courseOf(readTrace(fleet.traces, trainer));
    const { checkpoints, ledger } = await readBranch(branchOf(request));
    expect(checkpoints[0]?.step).toBe(course?.last);
    expect(ledger.attempts.at(-1)?.ended).toBe('stopped');
    await machine.worker.stop(20);
  }, 600_000);

  it('by a pause saves and waits, and goes on when it is resumed: nothing is repeated', async () => {
    const request = fleet.request('paused', SETTINGS);
    const machine = await fleet.startMachine();
    const run = await fleet.start(request);
    const trainer = await atWork(machine);
    await run.signal('pause');
    const { checkpoints, ledger } = await until('the pause is on the Hub', async () => {
      const branch = await readBranch(branchOf(request));
      return branch.ledger.attempts.at(-1)?.ended === 'stopped' && branch;
    });
    expect(checkpoints[0]?.step).toBe(courseOf(readTrace(fleet.traces, trainer))?.last);
    expect(ledger.result).toBeNull();
    await run.signal('resume');
    expect(await run.result).toMatchObject({
      adapterSha256: whole.adapterSha256,
      repeatedSteps: 0,
      preemptions: 0,
    });
    await machine.worker.stop(20);
  }, 600_000);

  it('by SIGTERM to its worker saves at once, and the next machine repeats nothing', async () => {
    const request = fleet.request('terminated', SETTINGS);
    const machine = await fleet.startMachine();
    const { result } = await fleet.start(request);
    await atWork(machine);
    await machine.worker.stop(30);
    const next = await fleet.startMachine();
    expect(await result).toMatchObject({
      adapterSha256: whole.adapterSha256,
      repeatedSteps: 0,
      preemptions: 0,
    });
    await next.worker.stop(20);
  }, 600_000);
});

describe('the storage of a run', () => {
  it('holds what its branch and its result name, and nothing of what was dropped', async () => {
    const { repo } = whole.checkpoint;
    const ask = async (path: string) => {
      const answer = await fetch(`${fleet.hubUrl}/api/models/${repo}/${path}`, {
        headers: { authorization: `Bearer ${TOKEN}` },
      });
      return (await answer.json()) as { oid: string; id: string }[];
    };
    const large = (await ask('lfs-files')).map(({ oid }) => oid);
    const listed = await fleet.hub.list({ type: 'model', repo }, whole.checkpoint.commit);
    expect(large.sort()).toEqual([...new Set(listed.flatMap(({ sha256 }) => sha256 ?? []))].sort());
    expect(await ask('commits/main')).toHaveLength(1);
    expect(await fleet.hub.tags({ type: 'model', repo })).toEqual([
      { name: `result-main-${whole.checkpoint.commit.slice(0, 12)}`, commit: whole.checkpoint.commit },
    ]);
  });
});
