/**
 * The topology of docker-compose.yml without Docker: PostgreSQL, the Temporal server built from its Go module with the same
 * configuration, the local Hub, two pipeline workers and a GPU worker; then a run through every phase.
 *
 *   node scripts/ts.mjs test/chaos/topology-without-docker.ts            the demo's run, with the real trainer
 *   node scripts/ts.mjs test/chaos/topology-without-docker.ts --simulated
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { LOCAL_TOKEN } from '../../src/cli/stack/stack.ts';
import { TINY_BASE } from '../../src/config/paths.ts';
import { seedGeneratedWikiArt } from '../../src/wikiart/synthetic/seed.ts';
import { seedTinyBase } from '../../src/wikiart/synthetic/seed-base.ts';
import { faultsOf, resultOf, seedSmall, smallRun, startRun } from './lib/runs.ts';
import { Topology } from './lib/topology.ts';

const { values } = parseArgs({
  options: { simulated: { type: 'boolean', default: false }, root: { type: 'string' } },
});
const root = values.root ?? mkdtempSync(join(tmpdir(), 'plein-air-topology-'));
const started = Date.now();
const topology = await Topology.start({
  root,
  postgres: true,
  pipelineWorkers: 2,
  gpuWorkers: 1,
  stepMs: values.simulated ? 20 : null,
});
let faults = ['it did not get to its end'];
try {
  process.stdout.write(`topology up after ${((Date.now() - started) / 1000).toFixed(1)} s\n`);
  const hub = { hubUrl: `http://127.0.0.1:${topology.ports.hub}`, accessToken: LOCAL_TOKEN };
  if (values.simulated) await seedSmall(topology);
  else {
    await seedGeneratedWikiArt({ ...hub, repo: 'plein-air/generated-wikiart', workDir: root });
    await seedTinyBase({ ...hub, repo: 'plein-air/tiny-flux', folder: TINY_BASE });
  }
  const run = 'on-postgres';
  await startRun(topology, values.simulated ? smallRun(run) : { run });
  const { phases } = await resultOf(topology, run);
  for (const { name, status, result } of phases)
    process.stdout.write(`${name.padEnd(9)} ${status.padEnd(8)} ${result}\n`);
  faults = await faultsOf(topology, run, null);
} finally {
  await topology.stop();
  if (values.root === undefined) rmSync(root, { recursive: true, force: true });
}
process.stdout.write(
  `${faults.length === 0 ? 'ended right' : faults.join('\n')}, ${((Date.now() - started) / 1000).toFixed(0)} s in all\n`,
);
process.exit(faults.length === 0 ? 0 : 1);
