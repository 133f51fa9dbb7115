import { execFileSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { readEnvironment, temporalPath } from '../../../src/config/env.ts';
import { PROJECT } from '../../../src/config/paths.ts';
import { SEARCH_ATTRIBUTES } from '../../../src/domain/run/search-attributes.ts';
import { freePort } from '../../../src/wire/free-port.ts';
import type { PartPlan, Ports } from './parts.ts';

/** Folder of Debian's PostgreSQL programs, newest first; null: it is not installed. */
export function postgresFolder(): string | null {
  const versions = existsSync('/usr/lib/postgresql') ? readdirSync('/usr/lib/postgresql').sort() : [];
  const newest = versions.at(-1);
  return newest === undefined ? null : join('/usr/lib/postgresql', newest, 'bin');
}

/** The Temporal server and its schema tool, built from `temporal/server` into the cache; null where there is no Go. */
export function temporalServer(): { server: string; sqlTool: string } | null {
  const cache =
    process.env.PLEIN_AIR_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'plein-air');
  const built = {
    server: join(cache, 'temporal-server-1.32.0'),
    sqlTool: join(cache, 'temporal-sql-tool-1.32.0'),
  };
  if (existsSync(built.server) && existsSync(built.sqlTool)) return built;
  try {
    execFileSync('go', ['version'], { stdio: 'ignore' });
  } catch {
    return null;
  }
  execFileSync(join(PROJECT, 'temporal', 'server', 'build.sh'), { stdio: 'inherit' });
  return built;
}

/** PostgreSQL refuses to run as root: the user that Debian's package makes, or whoever runs this. */
const asPostgres = (file: string, args: string[]): [string, string[]] =>
  process.getuid?.() === 0 ? ['runuser', ['-u', 'postgres', '--', file, ...args]] : [file, args];

/** PostgreSQL and Temporal upon it, as docker-compose.yml has them: the same server version, schema and configuration. */
export async function postgresParts(p: {
  root: string;
  ports: Ports;
  answers: () => Promise<boolean>;
}): Promise<PartPlan[]> {
  const programs = postgresFolder();
  const temporal = temporalServer();
  if (programs === null || temporal === null)
    throw new Error(
      'expected Debian’s PostgreSQL and Go, got neither or one: apt-get install postgresql golang, or leave --postgres out',
    );
  const data = join(p.root, 'postgres');
  const port = await freePort();
  if (!existsSync(join(data, 'PG_VERSION'))) {
    mkdirSync(data, { recursive: true });
    if (process.getuid?.() === 0) {
      const uid = Number(execFileSync('id', ['-u', 'postgres'], { encoding: 'utf8' }));
      chownSync(data, uid, uid);
      execFileSync('chmod', ['o+x', p.root]);
    }
    const [file, args] = asPostgres(join(programs, 'initdb'), [
      '-D',
      data,
      '-U',
      'temporal',
      '--auth',
      'trust',
      '-E',
      'UTF8',
    ]);
    execFileSync(file, args, { stdio: 'ignore', cwd: '/' });
  }
  const [file, args] = asPostgres(join(programs, 'postgres'), [
    '-D',
    data,
    '-p',
    String(port),
    '-c',
    'listen_addresses=127.0.0.1',
    '-c',
    'unix_socket_directories=',
    '-c',
    'max_connections=200',
    '-c',
    'max_wal_size=128MB',
  ]);
  const isReady = async () => {
    execFileSync(join(programs, 'pg_isready'), ['-h', '127.0.0.1', '-p', String(port), '-U', 'temporal'], {
      stdio: 'ignore',
    });
    return true;
  };
  const postgres: PartPlan = { name: 'postgres', file, args, ready: isReady };
  const config = join(p.root, 'temporal.yaml');
  const internal = await internalPorts();
  const server: PartPlan = {
    name: 'temporal',
    file: temporal.server,
    args: ['--config-file', config, '--allow-no-auth', 'start'],
    env: {
      POSTGRES_HOST: '127.0.0.1',
      POSTGRES_PORT: String(port),
      POSTGRES_USER: 'temporal',
      POSTGRES_PASSWORD: 'temporal',
      TEMPORAL_GRPC_PORT: String(p.ports.temporal),
      TEMPORAL_BIND_IP: '127.0.0.1',
      TEMPORAL_DYNAMIC_CONFIG: join(PROJECT, 'temporal', 'server', 'dynamic.yaml'),
      ...internal,
    },
    ready: async () => {
      if (await p.answers().catch(() => false)) return true;
      prepare(p.ports.temporal);
      return false;
    },
  };
  writeFileSync(config, readFileSync(join(PROJECT, 'temporal', 'server', 'config.yaml')));
  return [{ ...postgres, ready: async () => (await isReady()) && schema(temporal.sqlTool, port) }, server];
}

async function internalPorts(): Promise<Record<string, string>> {
  const names = ['FRONTEND_MEMBERSHIP', 'FRONTEND_HTTP', 'HISTORY_GRPC', 'HISTORY_MEMBERSHIP'];
  names.push('MATCHING_GRPC', 'MATCHING_MEMBERSHIP', 'WORKER_GRPC', 'WORKER_MEMBERSHIP', 'METRICS');
  const ports: Record<string, string> = {};
  for (const name of names) ports[`TEMPORAL_${name}_PORT`] = String(await freePort());
  return ports;
}

/** Creates and updates both databases; again is a no-op. */
function schema(sqlTool: string, port: number): boolean {
  for (const [database, name] of [
    ['temporal', 'temporal'],
    ['temporal_visibility', 'visibility'],
  ] as const) {
    const base = [
      '--plugin',
      'postgres12',
      '--ep',
      '127.0.0.1',
      '-p',
      String(port),
      '-u',
      'temporal',
      '--db',
      database,
    ];
    const run = (...args: string[]) => execFileSync(sqlTool, [...base, ...args], { stdio: 'ignore' });
    try {
      run('create-database');
      run('setup-schema', '-v', '0.0');
    } catch {
      // It is there from before.
    }
    run('update-schema', '--schema-name', `postgresql/v12/${name}`);
  }
  return true;
}

/** Registers namespace and search attributes where they are missing; fails while the server is not up. */
function prepare(port: number): void {
  const run = (...args: string[]) =>
    execFileSync(temporalPath(readEnvironment()), [...args, '--address', `127.0.0.1:${port}`], {
      stdio: 'ignore',
      timeout: 10_000,
    });
  run('operator', 'namespace', 'create', '--namespace', 'default', '--retention', '30d');
  for (const name of SEARCH_ATTRIBUTES)
    run('operator', 'search-attribute', 'create', '--name', name, '--type', 'Keyword');
}
