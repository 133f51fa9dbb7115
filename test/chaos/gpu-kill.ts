/**
 * Kills GPU sessions, fleet workers, Temporal and the Hub while runs fetch their own machines from three sources, and holds the
 * ledger to an account of every process that was really there.
 *
 *   node scripts/ts.mjs test/chaos/gpu-kill.ts              200 kills
 *   node scripts/ts.mjs test/chaos/gpu-kill.ts --kills 12   a short form
 *
 * Wrong is: a run that ends otherwise than undisturbed, a session that was open twice at a time or is not in the ledger, one
 * whose ledger and process differ by more than a minute, a cap exceeded by more than that, and anything left running.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { PROJECT } from '../../src/config/paths.ts';
import { costOf, type GpuSession, sessionPrefix } from '../../src/domain/gpu-source/session.ts';
import { createLedger, ledgerRepo } from '../../src/gpu-sources/ledger.ts';
import { killIfThere } from '../../src/wire/processes.ts';
import { MachineAccount } from './lib/machine-account.ts';
import { endOf, faultsOf, persistently, resultOf, seedSmall, smallRun, startRun } from './lib/runs.ts';
import { Topology } from './lib/topology.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '200' },
    root: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
});

const FLEET = 'chaos';
const WORKER = join(PROJECT, 'dist', 'workers', 'gpu-worker.js');
const DOUBLE = fileURLToPath(new URL('./lib/machine-double.mjs', import.meta.url));
const AT_ONCE = 3;
const STEPS = 400;
const PATIENCE_MINUTES = 10;
const CAP = 1000;

/** Three sources, two sessions each; prices such that a minute shows. */
function sourcesFile(root: string): object {
  const double = (verb: string) => [process.execPath, DOUBLE, verb, join(root, 'machines'), WORKER];
  const shared = { accelerators: ['cpu'], sessions: 1, idleMinutes: 0.1, pollWithinMinutes: 1 };
  return {
    sources: [
      { ...shared, name: 'rented', kind: 'command', price: { perHour: 60 }, ...fromVerbs(double) },
      {
        ...{ ...shared, name: 'jobs', kind: 'hf-jobs', image: 'any', flavors: { cpu: 'cpu-basic' } },
        ...{ price: { perHour: 30 }, command: [process.execPath, WORKER] },
        environment: { PLEIN_AIR_PYTHON: join(root, 'python'), PLEIN_AIR_GRACE_SECONDS: '20' },
      },
      { ...shared, name: 'here', kind: 'local', sessions: 2 },
    ],
    caps: { month: CAP },
  };
}

function fromVerbs(double: (verb: string) => string[]): object {
  return {
    ...{ open: double('open'), close: double('close'), list: double('list'), timeoutSeconds: 60 },
    environment: { PLEIN_AIR_PYTHON: '$ROOT/python', PLEIN_AIR_GRACE_SECONDS: '20' },
  };
}

const root = values.root ?? mkdtempSync(join(tmpdir(), 'gpu-kill-'));
mkdirSync(root, { recursive: true });
const file = join(root, 'gpu-sources.json');
writeFileSync(file, JSON.stringify(sourcesFile(root)).replaceAll('$ROOT', root));
const topology = await Topology.start({
  ...{ root, gpuWorkers: 0, pipelineWorkers: 2, stepMs: 15, runJobs: true },
  env: {
    ...{ PLEIN_AIR_GPU_SOURCES: file, PLEIN_AIR_FLEET: FLEET, PLEIN_AIR_FLEET_SECONDS: '0.5' },
    PLEIN_AIR_DATA_DIR: root,
  },
});
const account = new MachineAccount(sessionPrefix(FLEET));
const pick = <T>(from: readonly T[]): T | undefined => from[Math.floor(Math.random() * from.length)];
const ledger = createLedger(topology.hub, ledgerRepo(await persistently(() => topology.hub.whoAmI())), FLEET);
const counts: Record<string, number> = {};
const runs: string[] = [];

/** One kill: of a machine in whatever it does, or of a part, which is started again. */
async function strike(): Promise<void> {
  const kind = pick(['machine', 'machine', 'machine', 'pipeline', 'temporal', 'hub']) ?? 'machine';
  if (kind === 'machine') {
    const machine = pick(account.look());
    if (machine === undefined) return;
    const session = (await persistently(() => ledger.recent(Date.now()))).find(
      ({ name }) => name === machine.name,
    );
    const stage = session?.readyAt == null ? 'that is starting' : 'at work or idle';
    count(`machine ${stage}`);
    killIfThere(machine.pid);
    return;
  }
  count(kind);
  const name = pick(topology.names(kind)) ?? kind;
  await topology.kill(name);
  await sleep(Math.random() * 500);
  await topology.bring(name);
  await topology.mend();
}

function count(what: string): void {
  counts[what] = (counts[what] ?? 0) + 1;
}

async function underWay(): Promise<string[]> {
  const open: string[] = [];
  for (const run of runs) if ((await endOf(topology, run)) === 'RUNNING') open.push(run);
  return open;
}

async function begin(): Promise<void> {
  const run = `fetch-${runs.length + 1}`;
  await startRun(topology, smallRun(run, { steps: STEPS }));
  runs.push(run);
}

async function within(minutes: number, test: () => Promise<boolean>): Promise<boolean> {
  const end = Date.now() + minutes * 60_000;
  while (Date.now() < end) {
    if (await test().catch(() => false)) return true;
    await sleep(500);
  }
  return false;
}

/** What the machines that cost really cost, by the account of processes. */
function reallyCost(sessions: readonly GpuSession[]): number {
  const priceOf = new Map(sessions.map(({ name, price }) => [name, price.perHour]));
  return account.machines.reduce(
    (sum, { name, from, to }) => sum + ((to - from) / 3_600_000) * (priceOf.get(name) ?? 0),
    0,
  );
}

let wrong: string[] = [];
try {
  await persistently(() => seedSmall(topology));
  await startRun(topology, smallRun('undisturbed', { steps: STEPS }));
  const reference = (await resultOf(topology, 'undisturbed')).training?.adapterSha256 ?? '';
  wrong.push(...(await faultsOf(topology, 'undisturbed', null)));
  const began = Date.now();
  const total = () => Object.values(counts).reduce((sum, n) => sum + n, 0);
  while (total() < Number(values.kills)) {
    while ((await underWay()).length < AT_ONCE) await begin();
    await sleep(200 + Math.random() * 3000);
    await strike();
    process.stderr.write(`\r${total()} of ${values.kills} kills, ${runs.length} runs   `);
  }
  const ended = await within(PATIENCE_MINUTES, async () => (await underWay()).length === 0);
  if (!ended) wrong.push(...(await underWay()).map((run) => `${run} stands still`));
  for (const run of runs) wrong.push(...(await faultsOf(topology, run, reference)));
  if (!(await within(4, async () => account.look().length === 0)))
    wrong.push(...account.look().map(({ name }) => `${name} is left running`));
  await within(2, async () => (await ledger.recent(Date.now())).every(({ closedAt }) => closedAt !== null));
  const sessions = await persistently(() => ledger.recent(Date.now()));
  wrong.push(...account.faults(sessions));
  const [paid, real] = [sessions.reduce((sum, s) => sum + costOf(s, Date.now()), 0), reallyCost(sessions)];
  if (paid > CAP + 1) wrong.push(`caps.month exceeded: ${paid.toFixed(2)}`);
  const minutes = ((Date.now() - began) / 60_000).toFixed(1);
  const by = Object.entries(counts).map(([what, n]) => `${n} ${what}`);
  const ends = new Map<string, number>();
  for (const { ended: how } of sessions) ends.set(how ?? 'open', (ends.get(how ?? 'open') ?? 0) + 1);
  process.stdout.write(
    `\n${total()} kills (${by.join(', ')}) in ${minutes} min; ${runs.length} runs; ${sessions.length} sessions (${[...ends].map(([how, n]) => `${n} ${how}`).join(', ')}); ledger ${paid.toFixed(2)} USD, processes ${real.toFixed(2)} USD\n`,
  );
} finally {
  account.stop();
  await topology.stop();
  for (const { pid } of account.look()) killIfThere(pid);
  if (!values.keep && values.root === undefined) rmSync(root, { recursive: true, force: true });
}
wrong = [...new Set(wrong)];
process.stdout.write(`${wrong.length === 0 ? 'nothing wrong' : wrong.join('\n')}\n`);
process.exit(wrong.length === 0 ? 0 : 1);
