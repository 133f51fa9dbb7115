/**
 * kill -9 of the worker in deploy and rollback, at every step and at random moments:
 * `node scripts/ts.mjs test/chaos/release-kill.ts [random] [seed] [deploy|rollback]`.
 */
import { killReleases } from './lib/kill-release.ts';

const [random = '20', seed = '1', only] = process.argv.slice(2);
const start = Date.now();
const report = await killReleases({
  random: Number(random),
  everyStep: Number(random) > 0,
  seed: Number(seed),
  ...(only === 'deploy' || only === 'rollback' ? { actions: [only] } : {}),
  say: (line) => console.error(line),
});
console.log(JSON.stringify({ ...report, minutes: Math.round((Date.now() - start) / 6000) / 10 }, null, 2));
if (report.problems.length > 0) process.exitCode = 1;
