import { Environment } from './env.ts';

/** What any program needs: where things are, its language, the way out to the network and whom to trust there. No secret is among them. */
const BASIC = [
  ...['PATH', 'HOME', 'USER', 'LOGNAME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'TMP', 'TEMP', 'SYSTEMROOT'],
  ...['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'SSL_CERT_DIR', 'MALLOC_ARENA_MAX', 'FORCE_COLOR', 'NO_COLOR'],
];
/** What a worker hands on to its trainer, and the way to the network: a proxy's address may hold a password. */
const OF_WORKERS = [
  ...[
    'LD_LIBRARY_PATH',
    'CUDA_VISIBLE_DEVICES',
    'CUDA_HOME',
    'NVIDIA_VISIBLE_DEVICES',
    'NVIDIA_DRIVER_CAPABILITIES',
  ],
  ...[
    'PYTORCH_CUDA_ALLOC_CONF',
    'PYTORCH_ALLOC_CONF',
    'TORCH_HOME',
    'TORCHINDUCTOR_CACHE_DIR',
    'TRITON_CACHE_DIR',
  ],
  ...[
    'XDG_CACHE_HOME',
    'XDG_CONFIG_HOME',
    'GOOGLE_APPLICATION_CREDENTIALS',
    'OMP_NUM_THREADS',
    'HTTP_PROXY',
    'HTTPS_PROXY',
    'NO_PROXY',
    'http_proxy',
    'https_proxy',
    'no_proxy',
  ],
];
const OF_WORKERS_BY_PREFIX = /^(TEMPORAL|OTEL)_/;
/** Settings of the service that are no worker's business. */
const NOT_OF_WORKERS = new Set(['PLEIN_AIR_CODEC_TOKEN', 'PLEIN_AIR_HUB_TOKENS', 'PLEIN_AIR_SETUP_SECONDS']);

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
  return pick(all, (name) => BASIC.includes(name));
}

/** Environment of a worker: what servers get, what this service reads, and what the accelerator and the network need. */
export function workerEnvironment(all: Variables): Record<string, string> {
  const settings = new Set(Object.keys(Environment.shape).filter((name) => !NOT_OF_WORKERS.has(name)));
  return pick(
    all,
    (name) =>
      BASIC.includes(name) ||
      OF_WORKERS.includes(name) ||
      settings.has(name) ||
      OF_WORKERS_BY_PREFIX.test(name),
  );
}
