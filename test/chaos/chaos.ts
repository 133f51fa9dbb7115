/**
 * Kills, freezes and cuts the parts of a whole topology while runs are under way, and checks that every run ends right.
 *
 *   npm run chaos                       every fault 20 times; a table at the end
 *   npm run chaos -- --times 3          a short form
 *   npm run chaos -- --only 'kill -9 GPU;SIGSTOP'   faults by parts of their names
 *   npm run chaos -- --patience         also what takes long: the Hub away for 20 minutes
 *   npm run chaos -- --postgres         Temporal on PostgreSQL, and PostgreSQL among the victims
 *
 * Everything is real but the trainer, which is simulated: its weights are a hash chain over the steps, so that a lost or
 * repeated step shows in the adapter's sha256.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { selfSigned, trustFiles } from '../../src/local-hub/tls/self-signed.ts';
import { FAULTS, type Fault, lacks, type Scene } from './lib/faults.ts';
import { type Relay, startRelay } from './lib/relay.ts';
import { endOf, faultsOf, persistently, resultOf, seedSmall, smallRun, startRun } from './lib/runs.ts';
import { Topology } from './lib/topology.ts';

/** One row of the table. */
interface Row {
  fault: string;
  times: number;
  runs: number;
  right: number;
  wrong: string[];
}

const { values } = parseArgs({
  options: {
    times: { type: 'string', default: '20' },
    postgres: { type: 'boolean', default: false },
    only: { type: 'string' },
    root: { type: 'string' },
    keep: { type: 'boolean', default: false },
    json: { type: 'string' },
    patience: { type: 'boolean', default: false },
  },
});

/** Runs that are under way at once. */
const AT_ONCE = 3;
const STEPS = 400;
/** A run that has not ended so long after its last fault stands still. */
const PATIENCE_MINUTES = 10;

class Chaos {
  readonly rows: Row[] = [];
  private readonly scene: Scene;
  private readonly open = new Set<string>();
  private readonly ended: string[] = [];
  private reference = '';
  private number = 0;

  /** What was wrong in the midst of a fault. */
  private midst: string[] = [];

  constructor(scene: Pick<Scene, 'topology' | 'temporalProxy' | 'hubProxy'>) {
    this.scene = {
      ...scene,
      runs: () => [...this.open],
      wrong: (words) => this.midst.push(words),
      again: (run) => startRun(scene.topology, smallRun(run, { steps: STEPS })),
    };
  }

  private async begin(): Promise<void> {
    this.number += 1;
    const run = `chaos-${this.number}`;
    await startRun(this.scene.topology, smallRun(run, { steps: STEPS }));
    this.open.add(run);
  }

  /** An undisturbed run, whose adapter every other run must end with. */
  async undisturbed(): Promise<number> {
    const started = Date.now();
    await startRun(this.scene.topology, smallRun('undisturbed', { steps: STEPS }));
    const result = await resultOf(this.scene.topology, 'undisturbed');
    this.reference = result.training?.adapterSha256 ?? '';
    const faults = await faultsOf(this.scene.topology, 'undisturbed', null);
    if (faults.length > 0) throw new Error(`the undisturbed run itself: ${faults.join('; ')}`);
    return (Date.now() - started) / 1000;
  }

  private async look(): Promise<void> {
    for (const run of [...this.open])
      if ((await endOf(this.scene.topology, run)) !== 'RUNNING') {
        this.open.delete(run);
        this.ended.push(run);
      }
  }

  async suffer(fault: Fault, times: number): Promise<void> {
    const first = this.ended.length;
    const began = Date.now();
    for (let n = 0; n < times; n++) {
      await this.look();
      while (this.open.size < AT_ONCE) await this.begin();
      await sleep(300 + Math.random() * 1500);
      await fault.strike(this.scene);
      process.stderr.write(`\r${fault.name}: ${n + 1} of ${times}   `);
    }
    const end = Date.now() + PATIENCE_MINUTES * 60_000;
    while (this.open.size > 0 && Date.now() < end) {
      await this.look();
      await sleep(500);
    }
    const stuck = [...this.open].map((run) => `${run} stands still`);
    for (const run of this.open) this.ended.push(run);
    this.open.clear();
    const runs = this.ended.slice(first);
    const seen = await Promise.all(runs.map((run) => faultsOf(this.scene.topology, run, this.reference)));
    const wrong = [
      ...this.midst.splice(0),
      ...stuck,
      ...seen.flat().filter((word) => !word.includes('RUNNING')),
    ];
    this.rows.push({
      fault: fault.name,
      times,
      runs: runs.length,
      right: runs.length - new Set(wrong.map((w) => w.split(/[ :]/)[0])).size,
      wrong,
    });
    const minutes = ((Date.now() - began) / 60_000).toFixed(1);
    process.stderr.write(
      `\r${fault.name}: ${times} times, ${runs.length} runs, ${minutes} min, ${wrong.join('; ') || 'none wrong'}\n`,
    );
    if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(this.rows, null, 2));
  }
}

function table(rows: Row[]): string {
  const lines = rows.map(
    (r) => `| ${r.fault} | ${r.times} | ${r.runs} | ${r.right} | ${r.wrong.join('; ') || 'none'} |`,
  );
  return ['| fault | times | runs disturbed | ended right | wrong |', '|---|---|---|---|---|', ...lines].join(
    '\n',
  );
}

/** Node takes authorities to trust at its start: the script makes the Hub's first, and runs again as a process that trusts it. */
async function trustHub(root: string): Promise<void> {
  const { authority } = trustFiles(join(root, 'hub'));
  if (process.env.NODE_EXTRA_CA_CERTS === authority) return;
  mkdirSync(join(root, 'hub', 'tmp'), { recursive: true });
  await selfSigned(join(root, 'hub'), '127.0.0.1');
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: authority, PLEIN_AIR_CHAOS_ROOT: root };
  const args = ['scripts/ts.mjs', ...process.argv.slice(1)];
  process.exit(spawnSync(process.execPath, args, { env, stdio: 'inherit' }).status ?? 1);
}

const root =
  values.root ?? process.env.PLEIN_AIR_CHAOS_ROOT ?? mkdtempSync(join(tmpdir(), 'plein-air-chaos-'));
await trustHub(root);
const proxies: Relay[] = [];
const topology = await Topology.start({
  root,
  gpuWorkers: 3,
  pipelineWorkers: 2,
  stepMs: 15,
  postgres: values.postgres,
  smallDisks: true,
  clocks: true,
  tls: true,
  through: async (real) => {
    const [temporal, hub] = [await startRelay(real.temporal), await startRelay(real.hub)];
    proxies.push(temporal, hub);
    return { temporal: temporal.port, hub: hub.port };
  },
});
let failed = false;
try {
  const [temporalProxy, hubProxy] = proxies as [Relay, Relay];
  await persistently(() => seedSmall(topology));
  const chaos = new Chaos({ topology, temporalProxy, hubProxy });
  process.stderr.write(`undisturbed run: ${(await chaos.undisturbed()).toFixed(1)} s\n`);
  const names = values.only?.split(';');
  for (const fault of FAULTS) {
    if (names !== undefined && !names.some((name) => fault.name.includes(name))) continue;
    const lacking = lacks(fault, topology, values);
    if (lacking !== null) {
      process.stderr.write(`${fault.name}: left out, ${lacking}\n`);
      continue;
    }
    await chaos.suffer(fault, Number(values.times));
  }
  process.stdout.write(`${table(chaos.rows)}\n`);
  failed = chaos.rows.some((row) => row.wrong.length > 0);
} finally {
  await topology.stop();
  for (const proxy of proxies) await proxy.close();
  if (!values.keep && values.root === undefined) rmSync(root, { recursive: true, force: true });
}
process.exit(failed ? 1 : 0);
