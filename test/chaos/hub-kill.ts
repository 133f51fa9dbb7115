/** kill -9 of a local Hub under load: `node scripts/ts.mjs test/chaos/hub-kill.ts [count] [seed]`. */
import { killLoop } from './lib/kill-hub.ts';

const [count = '200', seed = '1'] = process.argv.slice(2);
const start = Date.now();
const report = await killLoop(Number(count), Number(seed), (killed) => {
  if (killed % 20 === 0) console.error(`${killed} kills, ${Math.round((Date.now() - start) / 1000)} s`);
});
console.log(JSON.stringify({ ...report, seconds: Math.round((Date.now() - start) / 1000) }, null, 2));
if (report.problems.length > 0) process.exitCode = 1;
