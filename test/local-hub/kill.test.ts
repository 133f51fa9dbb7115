import { expect, it } from '@jest/globals';
import { killLoop } from '../chaos/lib/kill-hub.ts';

it('loses no confirmed commit and tears none when it is killed under load', async () => {
  const { problems, confirmed } = await killLoop(6, 3);
  expect(problems).toEqual([]);
  expect(confirmed).toBeGreaterThan(0);
}, 600_000);
