import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createFleetActivities, type Demand } from '../../src/activities/fleet/fleet.ts';
import type { FleetAction } from '../../src/domain/gpu-source/plan.ts';
import { costOf, type GpuSession } from '../../src/domain/gpu-source/session.ts';
import { SourcesFile } from '../../src/domain/gpu-source/sources-file.ts';
import type { Ledger } from '../../src/gpu-sources/ledger.ts';
import { type GpuSource, SourceRefusal } from '../../src/gpu-sources/source.ts';

class Died extends Error {}

/** A world of its own clock: a source with its own account, a ledger, runs that wait, and processes that die at any call. */
class World {
  now = Date.UTC(2026, 10, 30, 12);
  readonly ledgerRows: GpuSession[] = [];
  /** What the source itself has written down. */
  readonly account: { name: string; openedAt: number; closedAt: number | null }[] = [];
  waiting = true;
  capacity = true;
  boots = true;
  /** A session that its source does not close. */
  stuck = '';
  queue = 'gpu';
  readonly money = new Map<string, number>();
  readonly told: string[] = [];
  private readonly dies: () => boolean;
  activities;

  constructor(file: SourcesFile, dies: () => boolean) {
    this.dies = dies;
    this.activities = this.process(file);
  }

  /** What a worker that just started has: the ledger and the sources, and no memory. */
  process(file: SourcesFile) {
    return createFleetActivities({
      file,
      fleet: 'test',
      ledger: this.ledger(),
      sources: new Map(file.sources.map(({ name }) => [name, this.source()])),
      demand: async () => this.demand(),
      heartbeat: () => undefined,
      signal: () => undefined,
      now: () => this.now,
      seconds: 0.001,
    });
  }

  open(): string[] {
    return this.account.filter(({ closedAt }) => closedAt === null).map(({ name }) => name);
  }

  private call<T>(work: () => T): T {
    if (this.dies()) throw new Died();
    const result = work();
    if (this.dies()) throw new Died();
    return result;
  }

  private ledger(): Ledger {
    return {
      recent: async () => this.ledgerRows.map((row) => ({ ...row })),
      add: async (session) =>
        this.call(() => {
          const found = this.ledgerRows.find(({ name }) => name === session.name);
          if (found === undefined) this.ledgerRows.push(session);
          return found ?? session;
        }),
      change: async ({ name }, change) =>
        this.call(() => {
          const row = this.ledgerRows.find((one) => one.name === name);
          if (row === undefined) throw new Error(name);
          return Object.assign(row, change);
        }),
    };
  }

  private source(): GpuSource {
    return {
      list: async () => this.open(),
      open: async ({ name }) =>
        this.call(() => {
          if (!this.capacity) throw new SourceRefusal('no-capacity', 'none is free');
          if (!this.open().includes(name)) this.account.push({ name, openedAt: this.now, closedAt: null });
        }),
      close: async (name) =>
        this.call(() => {
          if (name === this.stuck) throw new Error('its source does not answer');
          const one = this.account.find((o) => o.name === name && o.closedAt === null);
          if (one !== undefined) one.closedAt = this.now;
        }),
    };
  }

  private demand(): Demand {
    const work = {
      ...{ run: 'evening', workflowId: 'evening', queue: this.queue },
      ...{ activity: 'train', since: this.now },
    };
    const worker = this.boots ? this.open()[0] : undefined;
    return {
      waiting: this.waiting && worker === undefined ? [work] : [],
      working: this.waiting && worker !== undefined ? [{ identity: worker, work }] : [],
      pollers: this.boots ? this.open().map((identity) => ({ queue: this.queue, identity })) : [],
      money: this.money,
    };
  }

  look() {
    const request = { open: null, close: [] };
    return this.activities.watchFleet({ request, shown: '', told: this.told });
  }

  /** One turn of the workflow: a watch, then its actions, each tried three times. */
  async turn(): Promise<FleetAction[]> {
    const shown = '';
    const { actions } = await this.again(() =>
      this.activities.watchFleet({ request: { open: null, close: [] }, shown, told: this.told }),
    );
    for (const action of actions) await this.again(() => this.perform(action)).catch(() => undefined);
    return actions;
  }

  private async again<T>(work: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof Died) || tries >= 3) throw error;
      }
    }
  }

  private perform(action: FleetAction): Promise<unknown> {
    const { activities } = this;
    switch (action.do) {
      case 'open':
        return activities.openSession(action);
      case 'reopen':
        return activities.reopenSession(action);
      case 'ready':
        return activities.markReady(action);
      case 'close':
        return activities.closeSession(action);
      case 'tell-spent':
        this.told.push(action.workflowId);
        return Promise.resolve();
      case 'remove-orphan':
        return activities.removeOrphan(action);
    }
  }
}

const fileOf = (more: object = {}, caps: object = {}) =>
  SourcesFile.parse({
    sources: [
      {
        name: 'there',
        kind: 'command',
        accelerators: ['T4'],
        price: { perHour: 6 },
        open: ['open'],
        close: ['close'],
        list: ['list'],
        ...more,
      },
    ],
    caps,
  });

const MINUTE = 60_000;

describe('the fleet of GPU sessions', () => {
  it('opens one session for work that waits, keeps it while it works, and closes it when it has been idle', async () => {
    const world = new World(fileOf({ idleMinutes: 10 }), () => false);
    for (let minute = 0; minute < 30; minute++) {
      await world.turn();
      world.now += MINUTE;
      expect(world.open()).toHaveLength(1);
    }
    world.waiting = false;
    for (let minute = 0; minute < 12; minute++) {
      await world.turn();
      world.now += MINUTE;
    }
    expect(world.open()).toEqual([]);
    expect(world.ledgerRows).toMatchObject([{ ended: 'idle', run: 'evening' }]);
    expect(costOf(world.ledgerRows[0] as GpuSession, world.now)).toBeCloseTo(4, 1);
  });

  it('replaces a machine that was taken away, before its work has timed out', async () => {
    const world = new World(fileOf(), () => false);
    for (let i = 0; i < 3; i++) await world.turn();
    const [first] = world.account;
    world.now += MINUTE;
    if (first !== undefined) first.closedAt = world.now;
    for (let i = 0; i < 3; i++) await world.turn();
    expect(world.ledgerRows.map(({ ended }) => ended)).toEqual(['lost', null]);
    expect(world.open()).toHaveLength(1);
  });

  it('closes a machine that never asks for work, and waits longer after each', async () => {
    const world = new World(fileOf({ pollWithinMinutes: 10 }), () => false);
    world.boots = false;
    for (let minute = 0; minute < 120; minute++) {
      await world.turn();
      world.now += MINUTE;
      expect(world.open().length).toBeLessThanOrEqual(1);
    }
    expect(new Set(world.ledgerRows.slice(0, -1).map(({ ended }) => ended))).toEqual(
      new Set(['never-polled']),
    );
    expect(world.ledgerRows.length).toBeGreaterThan(4);
    expect(world.ledgerRows.length).toBeLessThan(11);
  });

  it('opens an accelerator of the class that the work needs, and says why another one does not do', async () => {
    const world = new World(fileOf({ accelerators: ['T4', 'L4', 'A100'] }), () => false);
    world.queue = 'gpu.24gb';
    await world.turn();
    expect(world.ledgerRows.map(({ accelerator, queue }) => [accelerator, queue])).toEqual([
      ['L4', 'gpu.24gb'],
    ]);
    const small = new World(fileOf({ accelerators: ['T4'] }), () => false);
    small.queue = 'gpu.24gb';
    await small.turn();
    expect(small.ledgerRows).toEqual([]);
    expect((await small.look()).obstacles).toEqual([expect.stringMatching(/T4: train needs .* 24 GB/)]);
  });

  it('tries again with growing pauses while there is no capacity, and opens when there is', async () => {
    const world = new World(fileOf(), () => false);
    world.capacity = false;
    for (let minute = 0; minute < 120; minute++) {
      await world.turn();
      world.now += MINUTE;
    }
    const refused = world.ledgerRows.length;
    expect(
      world.ledgerRows.every(({ ended, refusal }) => ended === 'refused' && refusal === 'no-capacity'),
    ).toBe(true);
    expect(refused).toBeGreaterThan(5);
    expect(refused).toBeLessThan(15);
    world.capacity = true;
    for (let minute = 0; minute < 31; minute++) {
      await world.turn();
      world.now += MINUTE;
    }
    expect(world.open()).toHaveLength(1);
  });

  it.each([
    ['caps.month', fileOf({}, { month: 3 }), [] as string[]],
    ['caps.run', fileOf({}, { run: 3 }), ['evening']],
  ])('never spends more than %s and a minute', async (_name, file, told) => {
    const world = new World(file, () => false);
    for (let minute = 0; minute < 120; minute++) {
      await world.turn();
      world.now += MINUTE;
    }
    expect(world.open()).toEqual([]);
    const spent = world.ledgerRows.reduce((sum, row) => sum + costOf(row, world.now), 0);
    expect(spent).toBeLessThanOrEqual(3 + 6 / 60 + 1e-9);
    expect(world.ledgerRows.at(-1)?.ended).toBe('cap');
    expect(world.told).toEqual(told);
  });

  it('ends a run at its own budget.money, once, and a month that is full only waits', async () => {
    const world = new World(fileOf(), () => false);
    world.money.set('evening', 2);
    for (let minute = 0; minute < 40; minute++) {
      await world.turn();
      world.now += MINUTE;
    }
    expect(world.open()).toEqual([]);
    expect(world.told).toEqual(['evening']);
  });

  it('ends with nothing open, nothing paid twice and a ledger that is right, wherever its processes die', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { minLength: 30, maxLength: 120 }), async (deaths) => {
        const next = deaths[Symbol.iterator]();
        const world = new World(fileOf({ idleMinutes: 2 }), () => next.next().value === true);
        const turns = async (count: number) => {
          for (let i = 0; i < count; i++) {
            await world.turn().catch(() => undefined);
            world.now += MINUTE;
            expect(world.open().length).toBeLessThanOrEqual(1);
          }
        };
        await turns(20);
        world.waiting = false;
        await turns(60);
        expect(world.open()).toEqual([]);
        expect(world.ledgerRows.every(({ closedAt }) => closedAt !== null)).toBe(true);
        // What the source has written down is in the ledger, and was open no longer than the ledger says.
        for (const one of world.account) {
          const row = world.ledgerRows.find(({ name }) => name === one.name);
          expect(row?.openedAt).toBeLessThanOrEqual(one.openedAt);
          expect(row?.closedAt ?? 0).toBeGreaterThanOrEqual(one.closedAt ?? Number.POSITIVE_INFINITY);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('closes a session under its own names that the ledger does not know, and leaves those of others', async () => {
    const world = new World(fileOf(), () => false);
    world.waiting = false;
    world.account.push({ name: 'pa-test-2611-9', openedAt: world.now, closedAt: null });
    await world.turn();
    expect(world.open()).toEqual([]);
    await expect(
      world.activities.removeOrphan({ source: 'there', name: 'pa-other-1' }),
    ).resolves.toBeUndefined();
  });
});

describe('the file of GPU sources', () => {
  it('names every problem with its field', () => {
    const parsed = SourcesFile.safeParse({
      sources: [
        { name: 'A b', kind: 'local', accelerators: [] },
        { name: 'c', kind: 'colab', accelerators: ['T4'] },
        { name: 'd', kind: 'command', accelerators: ['T4'], open: 'rm -rf /', close: ['x'], list: ['x'] },
      ],
    });
    const paths = parsed.error?.issues.map(({ path }) => path.join('.'));
    expect(paths).toEqual(
      expect.arrayContaining([
        'sources.0.name',
        'sources.0.accelerators',
        'sources.1.paid',
        'sources.2.open',
      ]),
    );
  });

  it('refuses Colab unless the operator says that it is paid for', () => {
    const colab = { name: 'c', kind: 'colab', accelerators: ['T4'] };
    expect(SourcesFile.safeParse({ sources: [{ ...colab, paid: false }] }).success).toBe(false);
    expect(SourcesFile.safeParse({ sources: [{ ...colab, paid: true }] }).success).toBe(true);
  });

  it('wants one currency where caps are set, and names of their own', () => {
    const of = (name: string, currency: string) => ({
      ...{ name, kind: 'local', accelerators: ['T4'] },
      price: { perHour: 1, currency },
    });
    const sources = [of('a', 'USD'), of('b', 'units')];
    expect(SourcesFile.safeParse({ sources }).success).toBe(true);
    expect(SourcesFile.safeParse({ sources, caps: { month: 5 } }).success).toBe(false);
    expect(SourcesFile.safeParse({ sources: [of('a', 'USD'), of('a', 'USD')] }).success).toBe(false);
  });
});

describe('the nightly reaper', () => {
  it('closes what the ledger does not know and what nobody saw at work, and leaves a session that works', async () => {
    const world = new World(fileOf({ idleMinutes: 10 }), () => false);
    for (let i = 0; i < 3; i++) await world.turn();
    world.account.push({ name: 'pa-test-2611-99', openedAt: world.now, closedAt: null });
    world.now += 30 * MINUTE;
    expect((await world.process(fileOf()).reapSessions()).closed).toMatchObject([
      { name: 'pa-test-2611-99' },
    ]);
    expect(world.open()).toHaveLength(1);

    await world.turn();
    world.waiting = false;
    // The fleet itself saw it at work five minutes ago, a process that just started did not.
    world.now += 5 * MINUTE;
    expect((await world.activities.reapSessions()).closed).toEqual([]);
    const reaped = await world.process(fileOf()).reapSessions();
    expect(reaped).toMatchObject({ closed: [{ why: 'it had no work for 10 minutes' }], fleetStarted: false });
    expect(world.open()).toEqual([]);
  });

  it('says what it could not close, and closes the rest', async () => {
    const world = new World(fileOf(), () => false);
    for (const name of ['pa-test-2611-7', 'pa-test-2611-8', 'pa-other-2611-1'])
      world.account.push({ name, openedAt: world.now, closedAt: null });
    world.stuck = 'pa-test-2611-7';
    const { closed, failed } = await world.activities.reapSessions();
    expect([closed.map(({ name }) => name), failed.map(({ name }) => name)]).toEqual([
      ['pa-test-2611-8'],
      ['pa-test-2611-7'],
    ]);
    expect(world.open()).toContain('pa-other-2611-1');
  });
});
