import { expect, it } from '@jest/globals';
import { fsck } from '../../src/local-hub/fsck.ts';
import { fuzz, prepareTarget } from './fuzz.ts';
import { startHubInTest } from './hub-in-test.ts';

it('answers 1,500 hostile requests without a server error, and stays sound', async () => {
  const hub = await startHubInTest();
  try {
    await prepareTarget(hub);
    const { faults, statuses } = await fuzz(hub, 1500, 7);
    expect(faults).toEqual([]);
    expect(statuses['400'] ?? 0).toBeGreaterThan(100);
    expect((await fetch(`${hub.url}/api/models`)).status).toBe(200);
    expect((await fsck(hub.root)).problems).toEqual([]);
  } finally {
    await hub.stop();
  }
});
