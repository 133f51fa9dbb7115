/**
 * Records what people and machines do to runs, beside the recordings of undisturbed ones (`npm run record:replay`): a study, a
 * pause, misspelt and untimely messages, a GPU that vanishes, approval by update and by signal, a rejection, a cancellation, a
 * failure, a re-evaluation and a rollback; with search attributes, memo and notifications. Trainer simulated, all else real.
 *
 *   node scripts/ts.mjs test/replay/record-steered.ts 0.2.0-steered
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { PROJECT } from '../../src/config/paths.ts';
import type { RunStatus } from '../../src/domain/run/run-result.ts';
import { seedSmall, smallRun, startRun, until } from '../chaos/lib/runs.ts';
import { Topology } from '../chaos/lib/topology.ts';

const name = process.argv[2];
if (name === undefined)
  throw new Error('expected the name of a new folder of recordings, such as 0.2.0-steered');
const folder = fileURLToPath(new URL(`./histories/${name}`, import.meta.url));
const root = mkdtempSync(join(tmpdir(), 'plein-air-record-'));
const people = createServer((_request, response) => response.end('ok'));
await new Promise<void>((resolve) => people.listen(0, '127.0.0.1', resolve));
const topology = await Topology.start({
  ...{ root, gpuWorkers: 2, pipelineWorkers: 1, stepMs: 30 },
  env: { PLEIN_AIR_WEBHOOK_URL: `http://127.0.0.1:${(people.address() as AddressInfo).port}/` },
});
const { workflow } = topology.client;

async function stands(id: string, test: (status: RunStatus) => boolean): Promise<void> {
  let last: unknown = null;
  await until(`${id} to get there`, 120, async () => {
    const status = await workflow.getHandle(id).query<RunStatus>('status');
    last = status;
    return test(status);
  }).catch((error: unknown) => {
    throw new Error(`${String(error)}, got ${JSON.stringify(last)}`);
  });
}
const trains = (status: RunStatus) => status.gpu?.branch === 'main' && status.gpu.step > 0;
const waits = (status: RunStatus) => status.state === 'waiting-for-approval';

/** Waits for the end, whatever it is, and writes the history. */
async function record(id: string, file: string): Promise<void> {
  const handle = workflow.getHandle(id);
  await handle.result().catch(() => undefined);
  const path = join(folder, file);
  mkdirSync(join(path, '..'), { recursive: true });
  // Stack traces name where the code lay; no command depends on it.
  const text = historyToJSON(await handle.fetchHistory());
  writeFileSync(path, text.replaceAll(PROJECT, '/plein-air/'));
  const { status, historyLength } = await handle.describe();
  process.stdout.write(`${file}: ${status.name}, ${historyLength} events\n`);
}

async function steered(): Promise<void> {
  const tuning = { strategy: 'random', trials: 2, steps: 20, finalists: 1 };
  await startRun(topology, { ...smallRun('steered', { approval: true, steps: 1500 }), tuning } as {
    run: string;
  });
  const handle = workflow.getHandle('steered');
  await stands('steered', trains);
  await handle.signal('approve', { by: 'Berthe', reason: 'too early' });
  await handle.signal('pause');
  await stands('steered', (status) => status.state === 'paused');
  await handle.signal('resum');
  await handle.signal('resume');
  await stands('steered', (status) => status.state === 'running' && trains(status));
  const { worker } = (await handle.query<RunStatus>('status')).gpu ?? {};
  const machine = (worker ?? '').replace(/-\d+$/, '');
  await topology.kill(machine);
  await topology.bring(machine);
  await stands('steered', waits);
  await handle.executeUpdate('approve', { args: [{ by: 'Berthe', reason: 'the light is right' }] });
  await record('steered', 'approved/fineTune.json');
  await record('steered-tune', 'approved/tune.json');
}

async function second(): Promise<void> {
  await startRun(topology, smallRun('second', { model: 'steered', approval: true, steps: 100 }));
  await stands('second', waits);
  await workflow.getHandle('second').signal('approve', { by: 'Edgar', reason: 'by signal' });
  await record('second', 'approved-by-signal/fineTune.json');
  for (const [type, input] of [
    ['reevaluate', { model: 'steered' }],
    ['rollback', { model: 'steered', to: 'v1', reason: 'v2 is too dark' }],
  ] as const) {
    await workflow.start(type, { taskQueue: 'pipeline', workflowId: type, args: [input] });
    await record(type, `released/${type}.json`);
  }
}

async function rejected(): Promise<void> {
  await startRun(topology, smallRun('rejected', { approval: true, steps: 100 }));
  await stands('rejected', waits);
  await workflow.getHandle('rejected').signal('reject', { by: 'Edgar', reason: 'no' });
  await record('rejected', 'rejected/fineTune.json');
}

async function cancelled(): Promise<void> {
  await startRun(topology, smallRun('cancelled', { steps: 2000 }));
  await stands('cancelled', trains);
  await workflow.getHandle('cancelled').cancel();
  await record('cancelled', 'cancelled/fineTune.json');
}

async function failed(): Promise<void> {
  const input = smallRun('failed');
  await startRun(topology, { ...input, dataset: { ...input.dataset, minTrainingImages: 100_000 } } as never);
  await record('failed', 'failed/fineTune.json');
}

try {
  await seedSmall(topology);
  for (const make of [steered, second, rejected, cancelled, failed]) await make();
} finally {
  await topology.stop();
  people.close();
  rmSync(root, { recursive: true, force: true });
}
process.exit();
