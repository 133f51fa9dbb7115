import { z } from 'zod';
import type { Refusal } from '../domain/gpu-source/session.ts';
import type { SourceConfigOf } from '../domain/gpu-source/sources-file.ts';
import { type GpuSource, type SourceGround, SourceRefusal } from './source.ts';

/** Label by which a session's job is found again. */
const NAME_LABEL = 'plein-air-session';
const ENDED = new Set(['COMPLETED', 'CANCELED', 'ERROR', 'DELETED']);
const PATIENCE_MS = 30_000;
/** Pages of a listing that are read, and bytes of one. */
const MAX_PAGES = 50;
const MAX_BYTES = 8 * 1024 * 1024;

/** What is used of a job; more fields are none of our business. */
const Job = z.object({
  id: z.string().min(1),
  labels: z.record(z.string(), z.string()).nullish(),
  status: z.object({ stage: z.string() }),
});
type Job = z.infer<typeof Job>;

/** The Hub that sells the machines, and who pays. */
export interface JobsGround extends SourceGround {
  jobs: { endpoint: string; token: string; namespace: string };
}

/** Hugging Face Jobs. A job carries its session's name as a label, so that one that was asked for twice is one. */
export function createJobsSource(config: SourceConfigOf<'hf-jobs'>, ground: JobsGround): GpuSource {
  const { endpoint, token } = ground.jobs;
  const namespace = config.namespace ?? ground.jobs.namespace;
  const root = `${endpoint}/api/jobs/${encodeURIComponent(namespace)}`;

  const call = async (method: 'GET' | 'POST', url: string, body?: unknown, signal?: AbortSignal) => {
    const patience = AbortSignal.timeout(PATIENCE_MS);
    let response: Response;
    try {
      response = await fetch(url, {
        method,
        redirect: 'error',
        headers: {
          authorization: `Bearer ${token}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: signal === undefined ? patience : AbortSignal.any([signal, patience]),
      });
    } catch (error) {
      signal?.throwIfAborted();
      throw new SourceRefusal('failed', `${config.name}: the Hub did not answer: ${reasonOf(error)}`);
    }
    const text = await readAtMost(response, MAX_BYTES);
    if (!response.ok) throw refused(config.name, response.status, text);
    return { text, next: nextPage(response, url) };
  };

  const active = async (signal?: AbortSignal): Promise<Map<string, Job>> => {
    const found = new Map<string, Job>();
    let url: string | null = root;
    for (let page = 0; url !== null && page < MAX_PAGES; page++) {
      const { text, next }: { text: string; next: string | null } = await call('GET', url, undefined, signal);
      for (const job of parse(z.array(Job), text, config.name)) {
        const name = job.labels?.[NAME_LABEL];
        if (name?.startsWith(ground.prefix) && !ENDED.has(job.status.stage)) found.set(name, job);
      }
      url = next;
    }
    return found;
  };

  return {
    async list(signal) {
      return [...(await active(signal)).keys()];
    },
    async open({ name, accelerator, hours, signal }) {
      const flavor = config.flavors[accelerator];
      if (flavor === undefined)
        throw new SourceRefusal(
          'settings',
          `${config.name}: expected a flavor for ${accelerator} in flavors, got none: "hf jobs hardware" lists them`,
        );
      if ((await active(signal)).has(name)) return;
      const { variables, secrets } = ground.worker;
      const { text } = await call(
        'POST',
        root,
        {
          dockerImage: config.image,
          command: config.command,
          arguments: [],
          environment: { ...variables, ...config.environment, PLEIN_AIR_IDENTITY: name },
          secrets,
          flavor,
          timeoutSeconds: Math.ceil(hours * 3600),
          labels: { [NAME_LABEL]: name, name },
        },
        signal,
      );
      parse(Job, text, config.name);
    },
    async close(name, signal) {
      const job = (await active(signal)).get(name);
      if (job === undefined) return;
      await call('POST', `${root}/${encodeURIComponent(job.id)}/cancel`, undefined, signal);
    },
  };
}

function refusalOf(status: number): Refusal {
  if (status === 401) return 'credentials';
  if (status === 402 || status === 403) return 'no-entitlement';
  if (status === 429) return 'quota';
  if (status === 503) return 'no-capacity';
  return status >= 400 && status < 500 ? 'settings' : 'failed';
}

function parse<T>(schema: z.ZodType<T>, text: string, source: string): T {
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    throw new SourceRefusal('failed', `${source}: expected jobs as JSON, got something else`);
  }
}

/** The next page, only where it is on the same origin: the token goes nowhere else. */
function nextPage(response: Response, from: string): string | null {
  const match = /<([^>]+)>;\s*rel="next"/.exec(response.headers.get('link') ?? '');
  if (match?.[1] === undefined) return null;
  const url = new URL(match[1], from);
  return url.origin === new URL(from).origin ? url.href : null;
}

async function readAtMost(response: Response, bytes: number): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of response.body ?? []) {
    size += part.length;
    if (size > bytes) throw new SourceRefusal('failed', `the answer is larger than ${bytes} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

function messageOf(text: string): string {
  try {
    const { error } = JSON.parse(text) as { error?: unknown };
    if (typeof error === 'string') return error.slice(0, 300);
  } catch {
    // Not JSON: shown as it is.
  }
  return text.slice(0, 300);
}

/** What a person can do about a refusal. */
const ADVICE: Partial<Record<Refusal, string>> = {
  credentials: 'give the pipeline worker an HF_TOKEN that is valid',
  'no-entitlement': 'check the plan and the credit of the account that pays',
  quota: 'wait, or cancel jobs (hf jobs ps, hf jobs cancel)',
};

function refused(source: string, status: number, text: string): SourceRefusal {
  const reason = refusalOf(status);
  const advice = ADVICE[reason] === undefined ? '' : `; ${ADVICE[reason]}`;
  return new SourceRefusal(
    reason,
    `${source}: the Hub answered ${status}: ${messageOf(text).replace(/\.$/, '')}${advice}`,
  );
}

function reasonOf(error: unknown): string {
  const { message = String(error), cause } = error as { message?: string; cause?: { message?: string } };
  return cause?.message === undefined ? message : `${message}: ${cause.message}`;
}
