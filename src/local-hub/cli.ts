import { resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { fsck } from './fsck.ts';
import { gc } from './gc.ts';
import { DEFAULT_TOKEN, type HubToken } from './http/tokens.ts';
import { startLocalHub } from './server.ts';

const DEFAULT_ROOT = '.plein-air/hub';
const DEFAULT_PORT = 8787;
const DEFAULT_PYTHON = resolve('gpu-worker/.venv/bin/python');

interface ServeFlags {
  root: string;
  host: string;
  port: number;
  token?: string[];
  json?: boolean;
  runSpaces?: string | true;
}

/** Reads `token`, `user=token` or `user:read=token`; a token alone belongs to `plein-air` and may write. */
export function parseToken(text: string): HubToken {
  const match = /^(?:([\w.-]+)(?::(read|write))?=)?(hf_\w+)$/.exec(text);
  if (!match?.[3]) throw new InvalidArgumentError('Expected hf_…, user=hf_… or user:read=hf_…');
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

/** Mounts `hub serve`, `hub fsck` and `hub gc` under a command. */
export function addHubCommands(parent: Command): void {
  const hub = parent.command('hub').description('the embedded Hub: the real Hub’s HTTP API over a folder');
  hub
    .command('serve')
    .description('serve a folder until Ctrl+C')
    .option('--root <dir>', 'folder that holds the repos', DEFAULT_ROOT)
    .option('--host <host>', 'address to listen on; other than loopback needs --token', '127.0.0.1')
    .option('--port <port>', 'port to listen on, 0 for a free one', parsePort, DEFAULT_PORT)
    .option('--token <token...>', 'tokens to accept: hf_…, user=hf_… or user:read=hf_…')
    .option('--run-spaces [python]', 'run Spaces as processes of this machine, with this Python')
    .option('--json', 'print the address as JSON')
    .action(serve);
  hub
    .command('fsck')
    .description('verify every commit, folder and file that refs reach')
    .option('--root <dir>', 'folder that holds the repos', DEFAULT_ROOT)
    .option('--json', 'print the report as JSON')
    .action(async ({ root, json }: { root: string; json?: boolean }) => {
      const report = await fsck(root);
      console.log(json ? JSON.stringify(report) : describe(report));
      if (report.problems.length > 0) process.exitCode = 1;
    });
  hub
    .command('gc')
    .description('remove what no ref reaches; stop the server first')
    .option('--root <dir>', 'folder that holds the repos', DEFAULT_ROOT)
    .option('--json', 'print the report as JSON')
    .action(async ({ root, json }: { root: string; json?: boolean }) => {
      const report = await gc(root);
      console.log(json ? JSON.stringify(report) : describe(report));
    });
}

async function serve({ root, host, port, token, json, runSpaces }: ServeFlags): Promise<void> {
  const tokens = token?.map(parseToken);
  const hub = await startLocalHub({
    root,
    host,
    port,
    ...(tokens ? { tokens } : {}),
    ...(runSpaces ? { runSpaces: { python: runSpaces === true ? DEFAULT_PYTHON : runSpaces } } : {}),
  });
  console.log(
    json ? JSON.stringify({ url: hub.url, port: hub.port }) : `The Hub in ${root} serves at ${hub.url}`,
  );
  await new Promise<void>((done) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => done());
  });
  await hub.close();
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
