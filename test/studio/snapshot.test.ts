import { describe, expect, it } from '@jest/globals';
import type { Client } from '@temporalio/client';
import { takeSnapshot } from '../../src/runs/run-snapshot.ts';

/** A port's answers: a workflow that has ended, and a server that does not say how. */
const silent = {
  workflow: {
    getHandle: () => ({
      describe: async () => ({
        ...{ status: { name: 'COMPLETED' }, type: 'fineTune', startTime: new Date(0) },
        ...{ closeTime: new Date(1), raw: {} },
      }),
      result: async () => Promise.reject(new Error('14 UNAVAILABLE: connection refused')),
    }),
  },
  withDeadline: (_at: number, ask: () => Promise<unknown>) => ask(),
} as unknown as Client;

describe('a snapshot', () => {
  it('is not had from a server that does not answer, instead of a run that failed', async () => {
    await expect(takeSnapshot(silent, 'night')).rejects.toThrow('UNAVAILABLE');
  });
});
