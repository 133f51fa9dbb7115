import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { resolve } from 'node:path';
import { createSecureContext } from 'node:tls';
import { type Command, InvalidArgumentError } from 'commander';
import { processEnvironment, pythonPath, readEnvironment } from '../../config/env.ts';
import { PROJECT } from '../../config/paths.ts';
import { ERROR_KINDS, PipelineError } from '../../domain/errors.ts';
import { fsck } from '../../local-hub/fsck.ts';
import { gc } from '../../local-hub/gc.ts';
import type { RateLimit } from '../../local-hub/http/rate-limit.ts';
import { DEFAULT_TOKEN, type HubToken } from '../../local-hub/http/tokens.ts';
import type { RunJobs } from '../../local-hub/jobs/job-runner.ts';
import { startLocalHub } from '../../local-hub/server.ts';
import {
  openAuthority,
  type TlsIdentity,
  type TrustFiles,
  trustFiles,
} from '../../local-hub/tls/self-signed.ts';
import { isLoopback } from '../../wire/loopback.ts';
import { writeLine } from '../colors.ts';
import { print, reportError } from '../output.ts';

const DEFAULT_ROOT = '.plein-air/hub';
const DEFAULT_PORT = 8787;

interface FolderFlags {
  root: string;
  json: boolean;
}

interface ServeFlags extends FolderFlags {
  host: string;
  port: number;
  token?: string[];
  tokenFile?: string;
  rateLimit?: RateLimit;
  tlsCert?: string;
  tlsKey?: string;
  tlsSelfSigned?: true;
  runJobs?: true;
  runSpaces?: string | true;
}

/** Reads `token`, `user=token` or `user:read=token`; a token alone belongs to `plein-air` and may write. */
export function parseToken(text: string): HubToken {
  const match = /^(?:([\w.-]+)(?::(read|write))?=)?(hf_[\w.-]+)$/.exec(text);
  if (!match?.[3])
    throw new PipelineError(
      'InvalidInput',
      'Expected every token as hf_…, user=hf_… or user:read=hf_…, got another text (not shown: it may be a secret)',
    );
  return {
    token: match[3],
    user: match[1] ?? DEFAULT_TOKEN.user,
    role: match[2] === 'read' ? 'read' : 'write',
  };
}

function parsePort(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new InvalidArgumentError('Expected a port from 0 to 65535');
  return port;
}

/** Reads `requests/seconds`, as `1000/300`. */
export function parseRateLimit(text: string): RateLimit {
  const match = /^([1-9]\d*)\/([1-9]\d*)$/.exec(text);
  if (!match) throw new InvalidArgumentError('Expected requests/seconds, as 1000/300');
  return { requests: Number(match[1]), windowSeconds: Number(match[2]) };
}

/** Mounts `hub serve`, `hub authority`, `hub fsck` and `hub gc` under a command. */
export function addHubCommands(parent: Command): void {
  const hub = parent.command('hub').description('the embedded Hub: the real Hub’s HTTP API over a folder');
  const folderCommand = (name: string, description: string): Command =>
    hub
      .command(name)
      .description(description)
      .option('--root <dir>', 'folder that holds the repos', DEFAULT_ROOT)
      .option('--json', 'print JSON', false);
  folderCommand('serve', 'serve a folder until Ctrl+C')
    .option(
      '--host <host>',
      'address to listen on; other than loopback needs a token of your own',
      '127.0.0.1',
    )
    .option('--port <port>', 'port to listen on, 0 for a free one', parsePort, DEFAULT_PORT)
    .option('--token <token...>', 'tokens to accept: hf_…, user=hf_… or user:read=hf_…')
    .option(
      '--token-file <file>',
      'a file with such tokens, one a line: unlike options, it shows in no process list; nor does PLEIN_AIR_HUB_TOKENS',
    )
    .option(
      '--rate-limit <requests/seconds>',
      'answer 429 beyond so many API requests in a window',
      parseRateLimit,
    )
    .option('--tls-cert <file>', 'speak HTTPS with this certificate (PEM, with its chain)')
    .option('--tls-key <file>', 'the key of that certificate (PEM)')
    .option('--tls-self-signed', 'speak HTTPS with a certificate of its own; clients trust ROOT/tls/ca.pem')
    .option(
      '--run-jobs',
      'run jobs of image "plein-air" as processes of this machine: GPU workers for the source hf-jobs',
    )
    .option('--run-spaces [python]', 'run Spaces as processes of this machine, with this Python')
    .action((flags: ServeFlags) => reporting(flags.json, () => serve(flags)));
  folderCommand('fsck', 'verify every commit, folder and file, also those that no ref reaches')
    .option('--set-aside', 'move damaged files away, so that uploading them again mends the repos', false)
    .action(({ root, json, setAside }: FolderFlags & { setAside: boolean }) =>
      reporting(json, async () => {
        const report = await fsck(root, { setAside });
        print(json, report, () => describe(report));
        if (report.problems.length > 0) process.exitCode = ERROR_KINDS.Corrupt.exitCode;
      }),
    );
  folderCommand(
    'authority',
    'make the authority of --tls-self-signed now, and say which files clients trust',
  ).action(({ root, json }: FolderFlags) =>
    reporting(json, async () => {
      await openAuthority(resolve(root));
      const files = trustFiles(resolve(root));
      print(json, files, () => describe(files));
    }),
  );
  folderCommand('gc', 'remove what no ref reaches; stop the server first').action(
    ({ root, json }: FolderFlags) =>
      reporting(json, async () => {
        const report = await gc(root);
        print(json, report, () => describe(report));
      }),
  );
}

/** Runs a command; what these throw is about the folder, the port or the options, so the message is all there is to say. */
async function reporting(json: boolean, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    reportError(code === undefined ? new PipelineError('InvalidInput', message) : error, json);
  }
}

async function serve(flags: ServeFlags): Promise<void> {
  const { root, host, port, token, tokenFile, json, rateLimit, runSpaces } = flags;
  const listed =
    readEnvironment()
      .PLEIN_AIR_HUB_TOKENS?.split(',')
      .map((text) => text.trim()) ?? [];
  const texts = [
    ...(token ?? []),
    ...(tokenFile === undefined ? [] : await readTokens(tokenFile)),
    ...listed,
  ];
  const tls = await readTls(flags);
  const python = runSpaces === true ? pythonPath(readEnvironment()) : runSpaces;
  const hub = await startLocalHub({
    root,
    host,
    port,
    ...(texts.length > 0 ? { tokens: texts.map(parseToken) } : {}),
    ...(rateLimit ? { rateLimit } : {}),
    ...(tls === undefined ? {} : { tls }),
    ...(python === undefined ? {} : { runSpaces: { python } }),
    ...(flags.runJobs === true ? { runJobs: jobImages() } : {}),
  }).catch((error: unknown) => {
    throw startError(error, flags);
  });
  if (tls === undefined && !isLoopback(host))
    writeLine(
      process.stderr,
      `Warning: ${host} is reached from other machines, and this Hub speaks plain HTTP: tokens and files can be read and changed on the way. Give --tls-cert and --tls-key, or --tls-self-signed`,
    );
  writeLine(
    process.stdout,
    json
      ? JSON.stringify({ url: hub.url, port: hub.port, trust: hub.trust })
      : `The Hub in ${root} serves at ${hub.url}; Ctrl+C ends it${trustAdvice(hub.trust)}`,
  );
  await new Promise<void>((done) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => done());
  });
  await hub.close();
}

function trustAdvice(files: TrustFiles | undefined): string {
  if (files === undefined) return '';
  return `\nClients trust it with NODE_EXTRA_CA_CERTS=${files.authority} (workers, JavaScript) or SSL_CERT_FILE=${files.bundle} (Python)`;
}

/** Certificate and key from the options: both or neither, and not both kinds at once. */
async function readTls(flags: ServeFlags): Promise<TlsIdentity | 'self-signed' | undefined> {
  const { tlsCert, tlsKey, tlsSelfSigned } = flags;
  if (tlsSelfSigned && (tlsCert !== undefined || tlsKey !== undefined))
    throw new PipelineError(
      'InvalidInput',
      'Expected --tls-self-signed or --tls-cert with --tls-key, got both',
    );
  if (tlsSelfSigned) return 'self-signed';
  if (tlsCert === undefined && tlsKey === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined)
    throw new PipelineError('InvalidInput', 'Expected --tls-cert and --tls-key together, got one of them');
  const read = (option: string, file: string): Promise<string> =>
    readFile(file, 'utf8').catch((error: Error) => {
      throw new PipelineError('InvalidInput', `Expected a PEM file as ${option}: ${error.message}`);
    });
  const [cert, key] = [await read('--tls-cert', tlsCert), await read('--tls-key', tlsKey)];
  try {
    createSecureContext({ cert, key });
  } catch (error) {
    throw new PipelineError(
      'InvalidInput',
      `Expected a certificate in ${tlsCert} and its key in ${tlsKey} (PEM): ${error instanceof Error ? error.message : error}`,
    );
  }
  return { cert, key };
}

async function readTokens(file: string): Promise<string[]> {
  const text = await readFile(file, 'utf8').catch((error: Error) => {
    throw new PipelineError(
      'InvalidInput',
      `Expected a file that can be read as --token-file: ${error.message}`,
    );
  });
  const tokens = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  if (tokens.length === 0)
    throw new PipelineError(
      'InvalidInput',
      `Expected at least one token in ${file} (--token-file), got none`,
    );
  return tokens;
}

/** What keeps a Hub from starting, in words. */
function startError(error: unknown, { root, host, port }: ServeFlags): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE')
    return new PipelineError(
      'InvalidInput',
      `Expected port ${port} of ${host} to be free, but something listens there: stop it, or give another --port (0 takes a free one)`,
    );
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
    return new PipelineError('InvalidInput', `Expected an address of this machine as --host, got ${host}`);
  if (code !== undefined && ['EEXIST', 'ENOTDIR', 'EACCES', 'EROFS', 'EPERM'].includes(code))
    return new PipelineError(
      'InvalidInput',
      `Expected a folder that can be written as --root, got ${root}: ${message}`,
    );
  return error;
}

/** A report as text: a line a figure, then a line a problem. */
function describe(report: object): string {
  return Object.entries(report)
    .flatMap(([name, value]) =>
      Array.isArray(value)
        ? [`${name}: ${value.length}`, ...value.map((line) => `  ${line}`)]
        : [`${name}: ${value}`],
    )
    .join('\n');
}

/** This project stands in for its own image. */
function jobImages(): RunJobs {
  const env = processEnvironment();
  const kept = [
    'PATH',
    'LANG',
    'TMPDIR',
    'CUDA_VISIBLE_DEVICES',
    'LD_LIBRARY_PATH',
    'NODE_EXTRA_CA_CERTS',
    'OMP_NUM_THREADS',
  ];
  const environment = Object.fromEntries(
    kept.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])),
  );
  return {
    images: {
      'plein-air': {
        cwd: PROJECT,
        environment: { ...environment, HOME: tmpdir(), PLEIN_AIR_PYTHON: pythonPath(readEnvironment()) },
      },
    },
  };
}
