/** kill -9 of every operation before every change of the disk: `node scripts/ts.mjs test/chaos/hub-crash-points.ts [stride] [operation…]`. */
import { crashEverywhere } from './lib/crash-hub.ts';

const [stride = '1', ...operations] = process.argv.slice(2);
const start = Date.now();
const report = await crashEverywhere({
  stride: Number(stride),
  ...(operations.length > 0 ? { operations } : {}),
  progress: (done) => console.error(`${done}, ${Math.round((Date.now() - start) / 1000)} s`),
});
console.log(JSON.stringify({ ...report, seconds: Math.round((Date.now() - start) / 1000) }, null, 2));
if (report.problems.length > 0) process.exitCode = 1;
