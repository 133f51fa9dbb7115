/**
 * Many runs at once on a few GPU workers that die at random: how fast runs start, how soon work is taken up after a death,
 * how long histories get, what memory and CPU go where. Only the trainer is simulated.
 *
 *   node scripts/ts.mjs test/chaos/load.ts --runs 200 --gpu 20 --minutes 40
 *
 * Ends when every run has ended or the time is up; what is still open then is said, not hidden.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { faultsOf, persistently, resultOf, seedSmall, smallRun, startRun } from './lib/runs.ts';
import { Topology } from './lib/topology.ts';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '200' },
    gpu: { type: 'string', default: '20' },
    pipeline: { type: 'string', default: '2' },
    minutes: { type: 'string', default: '40' },
    /** Mean time from one death of a GPU worker to the next. */
    'death-seconds': { type: 'string', default: '10' },
    root: { type: 'string' },
    postgres: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
});
const RUNS = Number(values.runs);
const root = values.root ?? mkdtempSync(join(tmpdir(), 'plein-air-load-'));
const topology = await Topology.start({
  root,
  gpuWorkers: Number(values.gpu),
  pipelineWorkers: Number(values.pipeline),
  stepMs: 50,
  postgres: values.postgres,
});

/** Memory and CPU time of a part and all below it. */
function usage(kind: string): { megabytes: number; cpuSeconds: number } {
  const groups = new Set(topology.names(kind).map((name) => topology.pid(name)));
  let pages = 0;
  let ticks = 0;
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ');
      if (!groups.has(Number(fields[2]))) continue;
      pages += Number(fields[21]);
      ticks += Number(fields[11]) + Number(fields[12]);
    } catch {
      // It ended between the listing and the look.
    }
  }
  return { megabytes: (pages * 4096) / 2 ** 20, cpuSeconds: ticks / 100 };
}

const pickUps: number[] = [];
let deaths = 0;
let over = false;

/** Kills a GPU worker at work, starts another, and notes how long its work lay. */
async function death(): Promise<void> {
  const victim = topology.names('gpu')[Math.floor(Math.random() * Number(values.gpu))] ?? 'gpu-1';
  const query = "WorkflowType = 'fineTune' AND ExecutionStatus = 'Running' AND PleinAirPhase = 'train'";
  const identity = topology.identity(victim);
  let hit: { run: string; attempt: number } | null = null;
  for await (const { workflowId } of topology.client.workflow.list({ query, pageSize: 100 })) {
    const { raw } = await topology.client.workflow.getHandle(workflowId).describe();
    const work = raw.pendingActivities?.find((a) => a.lastWorkerIdentity === identity && a.state === 2);
    if (work !== undefined) hit = { run: workflowId, attempt: work.attempt ?? 1 };
    if (hit !== null) break;
  }
  await topology.kill(victim);
  deaths += 1;
  const killedAt = Date.now();
  await topology.bring(victim);
  if (hit === null) return;
  const { run, attempt } = hit;
  void (async () => {
    while (!over) {
      const { raw } = await topology.client.workflow.getHandle(run).describe();
      const work = raw.pendingActivities?.[0];
      if (work === undefined) return;
      if (work.state === 2 && (work.attempt ?? 1) > attempt)
        return void pickUps.push((Date.now() - killedAt) / 1000);
      await sleep(250);
    }
  })().catch(() => undefined);
}

const quantile = (from: number[], q: number) =>
  [...from].sort((a, b) => a - b)[Math.floor(q * (from.length - 1))] ?? Number.NaN;
let failed = true;
try {
  await persistently(() => seedSmall(topology));
  await startRun(topology, smallRun('warm', { steps: 100 }));
  await resultOf(topology, 'warm');
  const before = Object.fromEntries(
    ['temporal', 'hub', 'pipeline', 'gpu'].map((kind) => [kind, usage(kind).cpuSeconds]),
  );
  const began = Date.now();
  const names = Array.from({ length: RUNS }, (_, n) => `load-${String(n).padStart(3, '0')}`);
  for (let n = 0; n < RUNS; n += 20)
    await Promise.all(names.slice(n, n + 20).map((run) => startRun(topology, smallRun(run, { steps: 100 }))));
  const startSeconds = (Date.now() - began) / 1000;
  process.stdout.write(
    `${RUNS} runs started in ${startSeconds.toFixed(1)} s: ${(RUNS / startSeconds).toFixed(1)} starts/s\n`,
  );
  const end = began + Number(values.minutes) * 60_000;
  let open = RUNS;
  const peak: Record<string, number> = {};
  while (open > 0 && Date.now() < end) {
    await death().catch(() => undefined);
    for (const kind of Object.keys(before)) peak[kind] = Math.max(peak[kind] ?? 0, usage(kind).megabytes);
    // As a radioactive source: no worker knows its hour.
    await sleep(-Math.log(1 - Math.random()) * 1000 * Number(values['death-seconds']));
    open = (await topology.client.workflow.count("WorkflowType = 'fineTune' AND ExecutionStatus = 'Running'"))
      .count;
    process.stderr.write(
      `\r${((Date.now() - began) / 1000).toFixed(0)} s: ${open} open, ${deaths} deaths   `,
    );
  }
  over = true;
  const seconds = (Date.now() - began) / 1000;
  const cpu = Object.fromEntries(
    Object.keys(before).map((kind) => [kind, usage(kind).cpuSeconds - (before[kind] ?? 0)]),
  );
  const reference = (await resultOf(topology, 'warm')).training?.adapterSha256 ?? null;
  const ended: string[] = [];
  const events: number[] = [];
  for (const run of names) {
    const { status, historyLength } = await persistently(() =>
      topology.client.workflow.getHandle(run).describe(),
    );
    // Of those that are open as well: so far.
    events.push(historyLength);
    if (status.name !== 'RUNNING') ended.push(run);
  }
  const wrong = (await Promise.all(ended.map((run) => faultsOf(topology, run, reference)))).flat();
  const summary = {
    runs: RUNS,
    startsPerSecond: RUNS / startSeconds,
    seconds,
    ended: ended.length,
    wrong,
    gpuDeaths: deaths,
    pickUpSeconds: { n: pickUps.length, median: quantile(pickUps, 0.5), max: quantile(pickUps, 1) },
    eventsPerRun: { median: quantile(events, 0.5), max: quantile(events, 1) },
    peakMegabytes: peak,
    cpuSecondsNow: cpu,
  };
  process.stdout.write(`\n${JSON.stringify(summary, null, 2)}\n`);
  if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(summary, null, 2));
  failed = wrong.length > 0 || ended.length === 0;
} finally {
  over = true;
  await topology.stop();
  if (values.root === undefined) rmSync(root, { recursive: true, force: true });
}
process.exit(failed ? 1 : 0);
