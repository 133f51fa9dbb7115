/** Many hostile requests against one local Hub: `node scripts/ts.mjs test/chaos/hub-fuzz.ts [count] [seed]`. */
import { fsck } from '../../src/local-hub/fsck.ts';
import { fuzz, prepareTarget } from '../local-hub/fuzz.ts';
import { startHubInTest } from '../local-hub/hub-in-test.ts';

const [count = '10000', seed = '1'] = process.argv.slice(2);
const hub = await startHubInTest();
try {
  await prepareTarget(hub);
  const report = await fuzz(hub, Number(count), Number(seed));
  const { problems } = await fsck(hub.root);
  console.log(
    JSON.stringify(
      { ...report, faults: report.faults.slice(0, 20), faultCount: report.faults.length, problems },
      null,
      2,
    ),
  );
  if (report.faults.length > 0 || problems.length > 0) process.exitCode = 1;
} finally {
  await hub.stop();
}
