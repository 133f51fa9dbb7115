import { existsSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { killReleases } from '../chaos/lib/kill-release.ts';

const canRun = existsSync('gpu-worker/.venv/bin/python') && existsSync('.tools/bin/temporal');

/** The short form of `test/chaos/release-kill.ts`, which kills at every step and at many random moments. */
(canRun ? describe : describe.skip)('a pipeline worker that is killed in the middle of a rollback', () => {
  it('leaves one whole release in production, in the Space and in the running app', async () => {
    const report = await killReleases({
      ...{ random: 1, everyStep: false, actions: ['rollback'], seed: 7 },
      say: () => undefined,
    });
    expect(report.problems).toEqual([]);
    expect(report.operations).toBe(4);
  }, 600_000);
});
