import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { confirmCost } from '../../src/cli/confirm-cost.ts';
import { fleetSummary, sessionsOfRun } from '../../src/cli/fleet-view.ts';
import type { FleetStatus, FleetWatch } from '../../src/domain/gpu-source/fleet.ts';
import { forecast, nearCaps } from '../../src/domain/gpu-source/money.ts';
import { fleetNotices, NOTHING_TOLD } from '../../src/domain/gpu-source/notices.ts';
import type { FleetAction } from '../../src/domain/gpu-source/plan.ts';
import type { GpuSession } from '../../src/domain/gpu-source/session.ts';

const START = Date.UTC(2026, 10, 30, 12);
const HOUR = 3_600_000;

const session = (more: Partial<GpuSession> = {}): GpuSession => ({
  ...{ name: 'pa-main-2611-1', source: 'jobs', accelerator: 'L4', queue: 'gpu', run: 'evening' },
  ...{ why: 'evening: train waits for a GPU', price: { perHour: 6, currency: 'USD' }, openedAt: START },
  ...{ startedAt: START, readyAt: null, closedAt: null, ended: null, refusal: null, detail: '' },
  ...more,
});
const seen = (more: Partial<FleetWatch> = {}) => ({
  ...{ sessions: [], obstacles: [], actions: [], nearCaps: [] },
  ...more,
});
const opening = { do: 'open' } as FleetAction;

describe('what people are told of the fleet', () => {
  it('tells of each session that costs money once, and of a free one never', () => {
    const free = session({ name: 'pa-main-2611-2', price: { perHour: 0, currency: 'USD' } });
    const first = fleetNotices(NOTHING_TOLD, seen({ sessions: [session(), free] }));
    expect(first.notices).toMatchObject([{ event: 'gpu-opened', run: 'evening' }]);
    expect(fleetNotices(first.told, seen({ sessions: [session(), free] })).notices).toEqual([]);
  });

  it('tells once that no source gives a machine, however often it is tried, and again after one did', () => {
    const refused = seen({ obstacles: ['jobs L4: no capacity; tried again at 12:30 UTC'] });
    let { told, notices } = fleetNotices(NOTHING_TOLD, refused);
    expect(notices).toMatchObject([{ event: 'gpu-refused' }]);
    for (const watch of [seen({ actions: [opening] }), refused, seen({ actions: [opening] }), refused]) {
      ({ told, notices } = fleetNotices(told, watch));
      expect(notices).toEqual([]);
    }
    ({ told } = fleetNotices(told, seen({ sessions: [session()] })));
    expect(fleetNotices(told, refused).notices).toMatchObject([{ event: 'gpu-refused' }]);
  });

  it('tells of a limit from four fifths of it on, once', () => {
    const spending = (hours: number) => ({
      ...{ now: START + hours * HOUR, money: new Map([['evening', 10]]), sessions: [session()] },
    });
    const caps = { run: null, month: 100 };
    expect(nearCaps(caps, spending(1))).toEqual([]);
    const near = nearCaps(caps, spending(1.4));
    expect(near).toMatchObject([{ run: 'evening', key: 'for run evening (budget.money)' }]);
    const first = fleetNotices(NOTHING_TOLD, seen({ nearCaps: near }));
    expect(first.notices).toMatchObject([{ event: 'money-low', run: 'evening' }]);
    expect(fleetNotices(first.told, seen({ nearCaps: nearCaps(caps, spending(1.5)) })).notices).toEqual([]);
  });
});

const offer = { source: 'jobs', accelerators: ['L4'], perHour: 0.8, currency: 'USD' };
const budget = (gpuHours: number, money: number | null) => ({ gpuHours, money });

describe('what a run may cost, before it starts', () => {
  it('is its hours at the dearest price, never more than any limit, and nothing where all is free', () => {
    expect(forecast({ offers: [], capOfRun: 5, budget: budget(24, null) })).toBeNull();
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0.01, max: 100, noNaN: true }), { minLength: 1, maxLength: 4 }),
        fc.option(fc.double({ min: 0, max: 1000, noNaN: true })),
        fc.option(fc.double({ min: 0, max: 1000, noNaN: true })),
        fc.double({ min: 0.01, max: 500, noNaN: true }),
        (prices, cap, money, hours) => {
          const offers = prices.map((perHour) => ({ ...offer, perHour }));
          const worst = forecast({ offers, capOfRun: cap, budget: budget(hours, money) })?.worst ?? NaN;
          expect(worst).toBe(Math.min(hours * Math.max(...prices), cap ?? Infinity, money ?? Infinity));
        },
      ),
    );
  });

  const status: FleetStatus = {
    ...{ watchedAt: START, sessions: [session()], obstacles: ['jobs L4: quota'], capOfRun: null },
    ...{ offers: [offer], spent: [{ run: 'evening', amount: 2, currency: 'USD' }] },
  };
  const client = (answer: FleetStatus | null) =>
    ({
      withDeadline: (_at: number, ask: () => Promise<unknown>) => ask(),
      workflow: {
        getHandle: () => ({
          query: async () => {
            if (answer === null) throw new Error('no fleet');
            return answer;
          },
        }),
      },
    }) as unknown as Parameters<typeof confirmCost>[0];
  const ask = (p: { yes?: boolean; isTTY?: boolean; answer?: string; fleet?: FleetStatus | null }) =>
    confirmCost(client(p.fleet === undefined ? status : p.fleet), {
      ...{ run: 'evening', budget: { ...budget(24, null) } as never, yes: p.yes ?? false },
      terminal: { isTTY: p.isTTY ?? false, ask: async () => p.answer ?? '' },
    });

  it('starts only with --yes or a yes on a terminal, and asks nothing where nothing costs', async () => {
    await expect(ask({})).rejects.toThrow('expected --yes, for evening may cost up to 19.20 USD');
    await expect(ask({ isTTY: true })).rejects.toThrow('evening was not started');
    await expect(ask({ isTTY: true, answer: 'nonsense' })).rejects.toThrow('was not started');
    await ask({ isTTY: true, answer: 'y' });
    await ask({ yes: true });
    await ask({ fleet: null });
    await ask({ fleet: { ...status, offers: [] } });
  });

  it('shows the fleet below the list, and a run its sessions and what they cost', () => {
    expect(fleetSummary(status, START + HOUR)).toEqual([
      'GPU sessions: pa-main-2611-1 (jobs L4, starting); 8.00 USD this month',
      '! jobs L4: quota',
    ]);
    expect(sessionsOfRun(status, 'evening', START + HOUR).at(-1)).toContain('8.00 USD');
    expect(sessionsOfRun(status, 'other', START + HOUR)).toEqual([]);
  });
});
