import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type GpuReport, hearReport, isReportDue, queuedWork } from '../../../src/domain/run/gpu-report.ts';

const queued = queuedWork({ activity: 'train', branch: 'main', now: 1000, gpuHours: 2, before: null });
const report = (change: Partial<GpuReport> = {}, metrics: Record<string, number> = {}): GpuReport => ({
  runId: 'r',
  activity: 'train',
  branch: 'main',
  attempt: 1,
  worker: 'gpu-1',
  at: 2000,
  progress: {
    stage: 'train',
    done: 90,
    total: 300,
    etaSeconds: 12,
    metrics: { step: 90, ...metrics },
    lastCheckpoint: { step: 50, commit: 'abc', at: 1500 },
  },
  ...change,
});

/** Reports that a run hears when every attempt lives so long and beats so often. */
function reportsOf(attempts: number, secondsPerAttempt: number): number {
  let sent = 0;
  for (let attempt = 1; attempt <= attempts; attempt++) {
    let inAttempt = 0;
    let last = Number.NEGATIVE_INFINITY;
    const start = (attempt - 1) * secondsPerAttempt;
    const beat = Math.max(1, secondsPerAttempt / 2000);
    for (let t = 0; t < secondsPerAttempt; t += beat) {
      const now = start + t;
      if (
        !isReportDue({ attempt, sent: inAttempt, secondsSinceReport: now - last, secondsSinceScheduled: now })
      )
        continue;
      inAttempt += 1;
      last = now;
      sent += 1;
    }
  }
  return sent;
}

describe('reports of GPU work', () => {
  it('wait for a GPU until a worker tells something', () => {
    expect(queued).toMatchObject({ waitingForGpuSince: 1000, stage: 'waiting for a GPU' });
    expect(hearReport(queued, report(), 2).waitingForGpuSince).toBeNull();
  });

  it('tell step, checkpoint, what was done again, and what is left of the budget', () => {
    const work = hearReport(
      queued,
      report({}, { repeatedSteps: 10, preemptions: 2, runGpuSeconds: 1800 }),
      2,
    );
    expect(work).toMatchObject({ step: 90, steps: 300, etaSeconds: 12, preemptions: 2, repeatedSteps: 10 });
    expect(work.lastCheckpoint?.commit).toBe('abc');
    expect(work.goodput).toBeCloseTo(0.9);
    expect(work.gpuHoursLeft).toBeCloseTo(1.5);
  });

  it('of an attempt that was replaced change nothing', () => {
    const second = hearReport(queued, report({ attempt: 2, worker: 'gpu-2' }), 2);
    expect(hearReport(second, report({ attempt: 1 }, { step: 299 }), 2)).toBe(second);
  });

  it.each([
    ['a thousand preemptions a minute apart', 1000, 60],
    ['a thousand preemptions an hour apart', 1000, 3600],
    ['ten thousand preemptions', 10_000, 60],
    ['a year in sessions of a day', 365, 86_400],
    ['one attempt of a year', 1, 365 * 86_400],
  ])('%s stay under 10,240 history events', (_name, attempts, seconds) => {
    expect(reportsOf(attempts, seconds) * 4).toBeLessThan(10_240 - 200);
  });

  it('come at once when an attempt among the first 200 begins', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.nat(1e7), (attempt, secondsSinceScheduled) =>
        isReportDue({ attempt, sent: 0, secondsSinceReport: 0, secondsSinceScheduled }),
      ),
    );
  });
});
