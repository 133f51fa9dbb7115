import { Environment } from './env.ts';

/** Where things are, and the language. No secret is among them. */
const PLACES = [
  ...['PATH', 'HOME', 'USER', 'LOGNAME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'TMP', 'TEMP', 'SYSTEMROOT'],
];
/** What any program of ours needs besides: whom to trust on the network, memory and colors. */
const OF_PROGRAMS = [
  ...['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'SSL_CERT_DIR', 'MALLOC_ARENA_MAX', 'FORCE_COLOR', 'NO_COLOR'],
];
/** Where the accelerator, its libraries and their caches are. */
const OF_ACCELERATORS = [
  ...['LD_LIBRARY_PATH', 'CUDA_VISIBLE_DEVICES', 'CUDA_HOME'],
  ...['NVIDIA_VISIBLE_DEVICES', 'NVIDIA_DRIVER_CAPABILITIES'],
  ...['PYTORCH_CUDA_ALLOC_CONF', 'PYTORCH_ALLOC_CONF', 'TORCH_HOME', 'TORCHINDUCTOR_CACHE_DIR'],
  ...['TRITON_CACHE_DIR', 'XDG_CACHE_HOME'],
];
/** The way to the network: a proxy's address may hold a password. */
const OF_WORKERS = [
  ...['XDG_CONFIG_HOME', 'GOOGLE_APPLICATION_CREDENTIALS', 'OMP_NUM_THREADS'],
  ...['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'http_proxy', 'https_proxy', 'no_proxy'],
];
const OF_WORKERS_BY_PREFIX = /^(TEMPORAL|OTEL)_/;
/** Settings of the service that are no worker's business. */
const NOT_OF_WORKERS = new Set(['PLEIN_AIR_CODEC_TOKEN', 'PLEIN_AIR_HUB_TOKENS', 'PLEIN_AIR_SETUP_SECONDS']);
/** Settings of a pipeline worker that the GPU workers it starts must not have: its secrets, its port, its fleet. */
const OF_PIPELINE_WORKERS = new Set([
  ...['PLEIN_AIR_WEBHOOK_URL', 'PLEIN_AIR_WEBHOOK_FORMAT', 'PLEIN_AIR_SPACE_TOKEN'],
  ...['PLEIN_AIR_METRICS_ADDRESS', 'PLEIN_AIR_GPU_SOURCES', 'PLEIN_AIR_FLEET', 'PLEIN_AIR_FLEET_SECONDS'],
  ...['PLEIN_AIR_OWNER', 'PLEIN_AIR_DATA_DIR'],
]);
/** What a worker on another machine needs to reach Temporal and the Hub. */
const ELSEWHERE = /^(TEMPORAL_[A-Z0-9_]+|HF_ENDPOINT|HF_TOKEN|PLEIN_AIR_CODEC_KEYS)$/;
const IS_SECRET = /KEY|TOKEN|SECRET/;

type Variables = Readonly<Record<string, string | undefined>>;

function pick(all: Variables, wanted: (name: string) => boolean): Record<string, string> {
  return Object.fromEntries(
    Object.entries(all).flatMap(([name, value]) =>
      value !== undefined && wanted(name) ? [[name, value]] : [],
    ),
  );
}

/** Environment of a server of the embedded stack (Temporal, Hub): a white list without any setting or secret of ours. */
export function serverEnvironment(all: Variables): Record<string, string> {
  return pick(all, (name) => PLACES.includes(name) || OF_PROGRAMS.includes(name));
}

/** Environment of a worker: what servers get, what this service reads, and what the accelerator and the network need. */
export function workerEnvironment(all: Variables): Record<string, string> {
  const settings = new Set(Object.keys(Environment.shape).filter((name) => !NOT_OF_WORKERS.has(name)));
  const listed = [...PLACES, ...OF_PROGRAMS, ...OF_ACCELERATORS, ...OF_WORKERS];
  return pick(all, (name) => listed.includes(name) || settings.has(name) || OF_WORKERS_BY_PREFIX.test(name));
}

/** Environment of a GPU worker that a pipeline worker starts on its own machine: a worker's, less what is the pipeline's. */
export function sessionEnvironment(all: Variables): Record<string, string> {
  return pick(workerEnvironment(all), (name) => !OF_PIPELINE_WORKERS.has(name));
}

/** What a GPU worker on another machine is given, secrets apart. */
export function farWorkerEnvironment(all: Variables): {
  variables: Record<string, string>;
  secrets: Record<string, string>;
} {
  const handedOn = pick(all, (name) => ELSEWHERE.test(name));
  return {
    variables: pick(handedOn, (name) => !IS_SECRET.test(name)),
    secrets: pick(handedOn, (name) => IS_SECRET.test(name)),
  };
}

/** What of a worker's environment its trainer may see: places and the accelerator. No secret is among them. */
export function trainerVariables(worker: Variables): Record<string, string> {
  return pick(worker, (name) => PLACES.includes(name) || OF_ACCELERATORS.includes(name));
}
