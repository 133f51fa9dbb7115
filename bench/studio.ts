/**
 * What Studio's pages take, on a stack that runs: `plein-air up` in one terminal, then
 * `node scripts/ts.mjs bench/studio.ts [DATA_FOLDER] [SECONDS]` in another. Prints one line a figure.
 *
 * With the name of a run that is under way as third argument it measures the pages that watch this run, and nothing else.
 *
 * It starts and ends 1,000 workflows, stores a run with 50,000 metric points, and leaves one run waiting for a GPU that
 * nobody has, which 50 pages then watch.
 */
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { closeConnections, connectClient, connectRunHub } from '../src/cli/connect.ts';
import { readStack } from '../src/cli/stack/stack-file.ts';
import { linksFile } from '../src/cli/studio-links.ts';
import { readEnvironment } from '../src/config/env.ts';
import { RepoId } from '../src/domain/refs.ts';
import { formatMetricLog } from '../src/domain/training/metric-log.ts';
import { issueLink } from '../src/studio/access/links.ts';
import { freePort } from '../src/wire/free-port.ts';

const dataDir = process.argv[2] ?? '.plein-air';
const seconds = Number(process.argv[3] ?? 30);
const given = process.argv[4];
const RUNS = 1000;
const POINTS = 50_000;
const PAGES = 50;

const stack = readStack(dataDir);
if (stack === null) throw new Error(`expected a running stack in ${dataDir}, got none: start "plein-air up"`);
const client = await connectClient(dataDir);
const hub = connectRunHub(readEnvironment(), dataDir);
const owner = await hub.whoAmI();

const port = await freePort();
const args = ['scripts/ts.mjs', 'src/cli/main.ts', 'studio', '--no-link'];
const studio = spawn(process.execPath, [...args, '--port', String(port), '--data-dir', dataDir], {
  stdio: ['ignore', 'ignore', 'inherit'],
});
const url = `http://127.0.0.1:${port}`;
for (let i = 0; i < 600; i++) {
  if (
    await fetch(`${url}/health`).then(
      (answer) => answer.ok,
      () => false,
    )
  )
    break;
  await sleep(100);
}
const token = issueLink(linksFile(dataDir), { role: 'look', days: 1 });
const cookie = `plein-air-studio-${port}=${token}`;

async function timed(path: string): Promise<{ ms: number; bytes: number }> {
  const started = performance.now();
  const answer = await fetch(url + path, { headers: { cookie } });
  const bytes = (await answer.arrayBuffer()).byteLength;
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return { ms: performance.now() - started, bytes };
}

/** Median and worst of requests that find nothing kept: the list is kept for 2 s. */
async function measure(name: string, path: string, times: number): Promise<void> {
  const all = [];
  for (let i = 0; i < times; i++) {
    all.push(await timed(path));
    await sleep(2100);
  }
  const ms = all.map((one) => one.ms).sort((a, b) => a - b);
  const words = [
    `median ${ms[Math.floor(ms.length / 2)]?.toFixed(0)} ms`,
    `worst ${ms.at(-1)?.toFixed(0)} ms`,
  ];
  console.log(`${name}: ${words.join(', ')}, ${all[0]?.bytes} bytes`);
}

/** CPU seconds that the processes of the stack and Studio have used, with all that they started. */
function cpuSeconds(isStudioAlone = false): number {
  const table = execFileSync('ps', ['-eo', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n');
  const parents = new Map(table.map((line) => line.trim().split(/\s+/).map(Number) as [number, number]));
  const others = isStudioAlone ? [] : (stack?.processes.map(({ pid }) => pid) ?? []);
  const own = new Set([...others, Number(studio.pid)]);
  const isOwn = (pid: number): boolean => own.has(pid) || (pid > 1 && isOwn(parents.get(pid) ?? 0));
  let ticks = 0;
  for (const pid of parents.keys()) {
    if (!isOwn(pid)) continue;
    try {
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
        .replace(/^.*\) /, '')
        .split(' ');
      ticks += Number(fields[11]) + Number(fields[12]);
    } catch {
      // It has ended.
    }
  }
  return ticks / 100;
}

const memory = () =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${studio.pid}/status`, 'utf8'))?.[1]) / 1024;

async function share(isStudioAlone = false): Promise<number> {
  const [before, at] = [cpuSeconds(isStudioAlone), performance.now()];
  await sleep(seconds * 1000);
  return (100 * (cpuSeconds(isStudioAlone) - before)) / ((performance.now() - at) / 1000);
}

/** The list, and a run with many figures. */
async function measureLists(): Promise<void> {
  const known = (await client.workflow.count("WorkflowId STARTS_WITH 'listed-'")).count;
  for (let i = known; i < RUNS; i += 20)
    await Promise.all(
      Array.from({ length: 20 }, async (_, k) => {
        const id = `listed-${i + k}`;
        const nobody = { taskQueue: 'nobody', workflowId: id, args: [{}] };
        await client.workflow.start('fineTune', nobody);
        await client.workflow.getHandle(id).terminate('listed');
      }),
    );
  await measure(`list of ${RUNS} runs, all at once`, '/?show=1000', 8);
  await measure('list, the first 100', '/', 8);

  const checkpoints = { type: 'model', repo: RepoId.parse(`${owner}/listed-1-checkpoints`) } as const;
  const record = { type: 'dataset', repo: RepoId.parse(`${owner}/listed-1-record`) } as const;
  for (const repo of [checkpoints, record]) await hub.ensureRepo(repo);
  const lines = Array.from({ length: POINTS }, (_, i) => ({
    ...{ step: i + 1, attempt: 1, at: i },
    values: { loss: Math.random(), learningRate: 1e-4, gradientNorm: 1, imagesPerSecond: 4, vramBytes: 1e10 },
  }));
  await hub.commit({
    ...{ repo: checkpoints, message: 'Metrics' },
    files: [{ path: 'metrics.jsonl', content: formatMetricLog(lines) }],
  });
  await hub.commit({
    repo: record,
    message: 'Record',
    files: [{ path: 'README.md', content: String(Math.random()) }],
  });
  const cold = await timed('/runs/listed-1');
  const curve = await timed('/runs/listed-1/curve.svg');
  console.log(
    `run of ${POINTS} points: page ${cold.ms.toFixed(0)} ms, ${cold.bytes} bytes; curve ${curve.ms.toFixed(0)} ms, ${curve.bytes} bytes`,
  );
  await measure('the same, known already', '/runs/listed-1', 5);
}

/** Starts a run that soon waits for a GPU which nobody has; its name. */
async function waitingRun(): Promise<string> {
  const run = 'watched';
  const isThere = await client.workflow
    .getHandle(run)
    .describe()
    .then(
      ({ status }) => status.name === 'RUNNING',
      () => false,
    );
  if (!isThere)
    await client.workflow.start('fineTune', {
      ...{ taskQueue: 'pipeline', workflowId: run },
      args: [{ run, profile: 'tiny', gpuSession: 'nobody' }],
    });
  console.log('waiting until the watched run waits for its GPU …');
  for (;;) {
    const { raw } = await client.workflow.getHandle(run).describe();
    const children = raw.pendingChildren?.length ?? 0;
    const waits = raw.pendingActivities?.some(
      ({ state, activityType }) => state === 1 && activityType?.name === 'train',
    );
    if (children > 0 || waits === true) break;
    await sleep(1000);
  }
  return run;
}

try {
  if (given === undefined) await measureLists();
  const run = given ?? (await waitingRun());
  await sleep(5000);
  const idle = await share();
  const memoryBefore = memory();
  const streams = Array.from({ length: PAGES }, () => {
    const stream = request(`${url}/runs/${run}/live`, { headers: { cookie } }, (answer) => answer.resume());
    stream.on('error', () => undefined).end();
    return stream;
  });
  await sleep(5000);
  const [watched, alone] = await Promise.all([share(), share(true)]);
  console.log(
    `${PAGES} open pages of one run: ${(watched - idle).toFixed(1)} % of one core more than the ${idle.toFixed(1)} % of the idle stack; Studio ${alone.toFixed(1)} %, ${memoryBefore.toFixed(0)} → ${memory().toFixed(0)} MiB`,
  );
  for (const stream of streams) stream.destroy();
} finally {
  studio.kill('SIGTERM');
  await closeConnections();
}
