import { z } from 'zod';
import { requireWrite } from '../http/access.ts';
import { badRequest, HubError } from '../http/errors.ts';
import type { Exchange } from '../http/exchange.ts';
import type { Hub } from '../hub.ts';
import type { Job } from '../jobs/job.ts';
import type { JobRunner } from '../jobs/job-runner.ts';

const Name = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/)
  .max(128);
const Variables = z.record(Name, z.string().max(32_768)).default({});
const Labels = z.record(z.string().regex(/^[\w.-]{1,100}$/), z.string().regex(/^[\w.-]{0,100}$/)).default({});
const DEFAULT_SECONDS = 30 * 60;

/** A job to run. Keys that this Hub does not know are refused: one that was dropped in silence would be a surprise. */
const Request = z.strictObject({
  dockerImage: z.string().min(1).max(512),
  command: z.array(z.string().max(32_768)).min(1).max(256),
  arguments: z.array(z.string().max(32_768)).max(256).default([]),
  environment: Variables,
  secrets: Variables,
  flavor: z.string().default('cpu-basic'),
  timeoutSeconds: z
    .int()
    .min(1)
    .max(30 * 86_400)
    .default(DEFAULT_SECONDS),
  labels: Labels,
});

const KEEP_ALIVE_MS = 15_000;

/** Machines that the real Hub sells, for reckoning: every one is this machine here. Prices by the minute, of 2026-11. */
const HARDWARE = [
  hardware('cpu-basic', 'CPU Basic', '2 vCPU', '16 GB', null, 167),
  hardware('t4-small', 'Nvidia T4 - small', '4 vCPU', '15 GB', ['T4', '16 GB'], 6667),
  hardware('l4x1', 'Nvidia L4', '8 vCPU', '30 GB', ['L4', '24 GB'], 13_333),
  hardware('a10g-small', 'Nvidia A10G - small', '4 vCPU', '15 GB', ['A10G', '24 GB'], 16_667),
  hardware('l40sx1', 'Nvidia L40S', '8 vCPU', '62 GB', ['L40S', '48 GB'], 30_000),
  hardware('a100-large', 'Nvidia A100 - large', '12 vCPU', '142 GB', ['A100', '80 GB'], 41_667),
  hardware('rtx-pro-6000', 'Nvidia RTX PRO 6000', '23 vCPU', '256 GB', ['RTX PRO 6000', '96 GB'], 45_833),
  hardware('h200', 'Nvidia H200', '23 vCPU', '256 GB', ['H200', '141 GB'], 83_333),
];

function hardware(
  name: string,
  prettyName: string,
  cpu: string,
  ram: string,
  gpu: [string, string] | null,
  micro: number,
) {
  const accelerator =
    gpu === null ? null : { type: 'gpu', model: gpu[0], quantity: '1', vram: gpu[1], manufacturer: 'Nvidia' };
  const cost = { unitCostMicroUSD: micro, unitCostUSD: micro / 1e6, unitLabel: 'minute' };
  return { name, prettyName, cpu, ram, accelerator, ...cost };
}

/** Everything under /api/jobs/. */
export async function jobs(hub: Hub, exchange: Exchange): Promise<void> {
  const [, , namespace = '', id, verb, ...rest] = exchange.segments;
  const { method } = exchange;
  if (method === 'GET' && namespace === 'hardware' && id === undefined) return exchange.json(HARDWARE);
  const owner = requireWrite(exchange);
  const runner = hub.jobs;
  if (runner === undefined)
    throw new HubError(403, 'This Hub runs no jobs: start it with "hub serve --run-jobs"');
  if (namespace !== owner) throw new HubError(403, `Expected namespace ${owner}, got another account's`);
  const route = `${method} ${id === undefined ? '' : 'ID'} ${[verb, ...rest].filter((s) => s !== undefined).join('/')}`;
  switch (route.trim()) {
    case 'POST':
      return run(runner, exchange, owner);
    case 'GET':
      return list(runner, exchange, owner);
    case 'GET ID':
      return exchange.json(infoOf(runner.find(owner, id ?? '')));
    case 'GET ID logs':
      return logs(exchange, runner.find(owner, id ?? ''));
    case 'POST ID cancel': {
      const job = runner.find(owner, id ?? '');
      void job.stop('CANCELED', null);
      return exchange.json(infoOf(job));
    }
    case 'PUT ID labels': {
      const job = runner.find(owner, id ?? '');
      const { labels } = await exchange.body(z.strictObject({ labels: Labels }));
      job.labels = labels;
      return exchange.json(infoOf(job));
    }
    default:
      throw new HubError(
        404,
        'This Hub runs, lists, inspects, logs, labels and cancels jobs; schedules, metrics, ports and SSH are not here',
      );
  }
}

async function run(runner: JobRunner, exchange: Exchange, owner: string): Promise<void> {
  const request = await exchange.body(Request);
  if (!HARDWARE.some(({ name }) => name === request.flavor))
    throw badRequest(
      `Expected flavor ${HARDWARE.map(({ name }) => name).join(', ')}, got "${request.flavor.slice(0, 60)}"`,
    );
  const { dockerImage, secrets, labels, ...spec } = request;
  exchange.json(infoOf(runner.run({ ...spec, image: dockerImage, owner }, { labels, secrets })));
}

function list(runner: JobRunner, exchange: Exchange, owner: string): void {
  const query = exchange.url.searchParams;
  const stages = new Set(query.getAll('stage'));
  const labels = query.getAll('label').map((text) => text.split('=', 2) as [string, string?]);
  const wanted = runner
    .list(owner)
    .filter(
      (job) =>
        (stages.size === 0 || stages.has(job.stage)) &&
        labels.every(([key, value]) => Object.hasOwn(job.labels, key) && (value ?? '') === job.labels[key]),
    );
  exchange.json(wanted.map(infoOf));
}

/** The log as server-sent events, from its start or the last `tail` lines, until the job has ended. */
async function logs(exchange: Exchange, job: Job): Promise<void> {
  const { response } = exchange;
  const tail = Number(exchange.url.searchParams.get('tail') ?? Number.POSITIVE_INFINITY);
  let next = Math.max(
    job.dropped,
    job.dropped + job.log.length - (Number.isFinite(tail) ? tail : job.log.length),
  );
  response.writeHead(200, {
    'Content-Type': 'text/event-stream; charset=utf-8',
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  });
  let wake: () => void = () => undefined;
  const stop = job.listen(() => wake());
  response.once('close', () => wake());
  const keepAlive = setInterval(() => response.write(': keep-alive\n\n'), KEEP_ALIVE_MS);
  try {
    while (!response.destroyed) {
      const changed = new Promise<void>((resolve) => {
        wake = resolve;
      });
      for (; next < job.dropped + job.log.length; next++) {
        const line = job.log[next - job.dropped];
        if (line !== undefined && !response.write(`data: ${JSON.stringify(line)}\n\n`))
          await Promise.race([new Promise((r) => response.once('drain', r)), changed]);
      }
      if (job.isOver) break;
      await changed;
    }
  } finally {
    clearInterval(keepAlive);
    stop();
    response.end();
  }
}

/** A job as the official clients read it; secrets by name only. */
function infoOf(job: Job) {
  const { spec, createdAt, finishedAt } = job;
  const seconds = Math.round(((finishedAt ?? new Date()).getTime() - createdAt.getTime()) / 1000);
  const account = { id: spec.owner, name: spec.owner, type: 'user' };
  return {
    id: job.id,
    createdAt,
    startedAt: createdAt,
    finishedAt,
    dockerImage: spec.image,
    command: spec.command,
    arguments: spec.arguments,
    environment: spec.environment,
    secrets: {},
    flavor: spec.flavor,
    labels: job.labels,
    owner: account,
    initiator: account,
    status: { stage: job.stage, message: job.message },
    durations: { schedulingSecs: 0, runningSecs: seconds, totalSecs: seconds },
  };
}
