import { expect, it } from '@jest/globals';
import { crashEverywhere } from '../chaos/lib/crash-hub.ts';

it('shows the state before or after, whichever change of the disk an operation is killed at', async () => {
  const report = await crashEverywhere({ operations: ['commit', 'squash', 'move'], stride: 12 });
  expect(report.problems).toEqual([]);
  expect(report.crashes).toBeGreaterThanOrEqual(6);
  expect(report.before).toBeGreaterThan(0);
}, 600_000);
