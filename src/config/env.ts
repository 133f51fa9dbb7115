import { join, resolve } from 'node:path';
import { z } from 'zod';
import { PipelineError } from '../domain/errors.ts';
import { PROJECT } from './paths.ts';

const Empty = z.literal('').transform(() => undefined);
const text = () => z.union([Empty, z.string()]).optional();

/** Every environment variable that Plein Air reads, besides Temporal's own `TEMPORAL_*`. */
export const Environment = z.object({
  /** Folder of the embedded stack: its databases, logs and work. Default `.plein-air` in the current folder. */
  PLEIN_AIR_DATA_DIR: text(),
  /** The Hub's address; default: the running embedded Hub, else the public one. */
  HF_ENDPOINT: text(),
  /** Token for the Hub, with write permission. */
  HF_TOKEN: text(),
  /** Token that may only read, for the Space of a private release: it becomes a secret of that Space. */
  PLEIN_AIR_SPACE_TOKEN: text(),
  /** Tokens that `hub serve` accepts, as in its `--token`, separated by commas. */
  PLEIN_AIR_HUB_TOKENS: text(),
  /** Python with the trainer's packages; default `gpu-worker/.venv`. */
  PLEIN_AIR_PYTHON: text(),
  /** GPUs of this machine that one training shares, a process each. */
  PLEIN_AIR_TRAINER_PROCESSES: z.coerce.number().int().min(1).max(16).default(1),
  /** The `temporal` program; default the one that set-up installs. */
  PLEIN_AIR_TEMPORAL: text(),
  /** Folder that a worker may fill and lose. */
  PLEIN_AIR_WORK_DIR: text(),
  /** Name of a worker in the Temporal UI; default: host and process id. */
  PLEIN_AIR_IDENTITY: text(),
  /** Seconds that a worker gives its activities to checkpoint after SIGTERM. */
  PLEIN_AIR_GRACE_SECONDS: z.coerce.number().min(0).max(3600).default(60),
  /** Keys that payloads are encrypted with: `NAME:BASE64`, separated by commas; the first encrypts, all decrypt. */
  PLEIN_AIR_CODEC_KEYS: text(),
  /** Token that `codec serve` asks for; beyond loopback it must be set. */
  PLEIN_AIR_CODEC_TOKEN: text(),
  /** `allow`: payloads that were never encrypted are taken although there are keys, while runs from before end. */
  PLEIN_AIR_CODEC_PLAIN: z.union([Empty, z.enum(['refuse', 'allow'])]).optional(),
  /** Address such as `127.0.0.1:9464` where a worker serves its Prometheus metrics; none: it does not. */
  PLEIN_AIR_METRICS_ADDRESS: text(),
  /** `text`, or `json` for one object a line. */
  PLEIN_AIR_LOG_FORMAT: z.union([Empty, z.enum(['text', 'json'])]).optional(),
  /** Where people are told: a Slack-compatible webhook, or any address that takes JSON. */
  PLEIN_AIR_WEBHOOK_URL: text(),
  /** `slack` for `{text}`, `plain` for the notice as it is. Default: `slack` for Slack's own host, else `plain`. */
  PLEIN_AIR_WEBHOOK_FORMAT: z.union([Empty, z.enum(['slack', 'plain'])]).optional(),
  /** A GPU worker with this name serves the queue of that session alone, for runs whose `gpuSession` says so. */
  PLEIN_AIR_GPU_SESSION: text(),
  /** The operator's file of GPU sources, for pipeline workers: who brings a machine when GPU work waits. None: nobody. */
  PLEIN_AIR_GPU_SOURCES: text(),
  /** Name of this installation among those that share an account: part of its sessions' names. */
  PLEIN_AIR_FLEET: z
    .string()
    .regex(/^[a-z0-9]{1,12}$/, { error: 'Expected 1 to 12 lower-case letters and digits' })
    .default('main'),
  /** Seconds between two looks of the fleet. */
  PLEIN_AIR_FLEET_SECONDS: z.coerce.number().min(0.2).max(3600).default(5),
  /** Process id of the command line that owns the embedded stack: sessions of this machine end with it. */
  PLEIN_AIR_OWNER: z.coerce.number().int().positive().optional(),
  /** Version of a pipeline worker in its deployment; runs stay with the version that started them. None: unversioned. */
  PLEIN_AIR_BUILD_ID: text(),
  /** Activities that a pipeline worker runs at a time. */
  PLEIN_AIR_ACTIVITY_SLOTS: z.coerce.number().int().min(1).max(200).default(4),
  /** Where OpenTelemetry traces go, by OTLP over HTTP; none: nowhere. */
  OTEL_EXPORTER_OTLP_ENDPOINT: text(),
  /** Set by the start script: how long set-up took. */
  PLEIN_AIR_SETUP_SECONDS: z.coerce.number().optional(),
});
export type Environment = z.infer<typeof Environment>;

/** A Hub's address, and a token that it takes. */
export interface HubAccess {
  endpoint: string;
  accessToken: string;
}

/** The Hub that the environment names, the public one unless it says otherwise; null: it has no token. */
export function hubAccess(env: Environment): HubAccess | null {
  if (env.HF_TOKEN === undefined) return null;
  return { endpoint: env.HF_ENDPOINT ?? 'https://huggingface.co', accessToken: env.HF_TOKEN };
}

/** The environment, parsed once; a bad value is named with what was expected. */
export function readEnvironment(source: NodeJS.ProcessEnv = processEnvironment()): Environment {
  const parsed = Environment.safeParse(source);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  throw new PipelineError('InvalidInput', `environment:\n${problems.join('\n')}`);
}

/** The process's variables, for children that must inherit them. */
export function processEnvironment(): NodeJS.ProcessEnv {
  return process.env;
}

/** Python interpreter of the trainer. */
export function pythonPath(env: Environment): string {
  return env.PLEIN_AIR_PYTHON ?? join(PROJECT, 'gpu-worker', '.venv', 'bin', 'python');
}

/** The `temporal` program. */
export function temporalPath(env: Environment): string {
  return env.PLEIN_AIR_TEMPORAL ?? join(PROJECT, '.tools', 'bin', 'temporal');
}

/** Absolute data folder of the embedded stack. */
export function dataFolder(env: Environment, option?: string): string {
  return resolve(option ?? env.PLEIN_AIR_DATA_DIR ?? '.plein-air');
}
