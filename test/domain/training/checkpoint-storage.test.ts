import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  mostCheckpoints,
  planStorage,
  type StorageFacts,
} from '../../../src/domain/training/checkpoint-storage.ts';

/** Rank 16 on attention and feed-forward of FLUX.1-dev: 538 MB a checkpoint. */
const flux: StorageFacts = {
  checkpointBytes: 538e6,
  steps: 2000,
  keepCheckpoints: 3,
  keepEvery: 500,
  squashEvery: 20,
  branches: 0,
  latentBytes: 0,
};

describe('the storage that a run needs', () => {
  it('is that of the newest, the best, those along the way and those that wait for the next squash', () => {
    expect(mostCheckpoints(flux)).toBe(3 + 1 + 4 + 20);
    expect(planStorage(flux, { storageGb: 50 })).toMatchObject({
      fits: true,
      bytes: 28 * 538e6,
      adjusted: [],
    });
  });

  it('is squashed into a smaller budget first, then thinned out, and refused last', () => {
    expect(planStorage(flux, { storageGb: 10 })).toMatchObject({
      fits: true,
      keepEvery: 500,
      squashEvery: 10,
    });
    expect(planStorage(flux, { storageGb: 3.5 })).toMatchObject({
      fits: true,
      squashEvery: 1,
      keepEvery: 1001,
    });
    expect(planStorage(flux, { storageGb: 2.7 })).toMatchObject({
      fits: true,
      squashEvery: 1,
      keepEvery: null,
    });
    expect(planStorage(flux, { storageGb: 2.6 })).toEqual({ fits: false, bytes: 5 * 538e6 });
  });

  it('never exceeds its budget once it fits, and says what had to give', () => {
    const facts = fc.record({
      checkpointBytes: fc.integer({ min: 1, max: 5e9 }),
      steps: fc.integer({ min: 1, max: 20_000 }),
      keepCheckpoints: fc.integer({ min: 2, max: 10 }),
      keepEvery: fc.option(fc.integer({ min: 1, max: 5000 })),
      squashEvery: fc.integer({ min: 1, max: 100 }),
      branches: fc.integer({ min: 0, max: 12 }),
      latentBytes: fc.integer({ min: 0, max: 60e9 }),
    });
    fc.assert(
      fc.property(facts, fc.double({ min: 0.1, max: 200, noNaN: true }), (f, storageGb) => {
        const plan = planStorage(f, { storageGb });
        if (!plan.fits)
          return expect(
            mostCheckpoints({ ...f, squashEvery: 1, keepEvery: null }) * f.checkpointBytes + f.latentBytes,
          ).toBeGreaterThan(storageGb * 1e9);
        expect(plan.bytes).toBeLessThanOrEqual(storageGb * 1e9);
        const changed = plan.keepEvery !== f.keepEvery || plan.squashEvery !== f.squashEvery;
        expect(plan.adjusted.length > 0).toBe(changed);
      }),
    );
  });
});
