import { randomUUID } from 'node:crypto';
import { mkdtemp } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { execa } from 'execa';
import { startLocalHub } from '../../src/local-hub/server.ts';
import { devServer, ROOT } from './dev-server.ts';

/** gRPC as the Temporal client itself speaks it, for a far side that refuses in the ways a cloud does. */
const grpc = createRequire(createRequire(import.meta.url).resolve('@temporalio/client'))('@grpc/grpc-js');

let environment: TestWorkflowEnvironment;
beforeAll(async () => {
  environment = await devServer();
}, 60_000);
afterAll(async () => {
  await environment?.teardown();
});

/** A far side that answers every call with one status. */
async function refusing(code: number, details: string): Promise<{ address: string; close: () => void }> {
  const server = new grpc.Server();
  const raw = (value: Buffer) => value;
  const calls = ['GetSystemInfo', 'DescribeNamespace'].map((name) => [
    name,
    {
      path: `/temporal.api.workflowservice.v1.WorkflowService/${name}`,
      requestStream: false,
      responseStream: false,
      requestSerialize: raw,
      requestDeserialize: raw,
      responseSerialize: raw,
      responseDeserialize: raw,
    },
  ]);
  const refuse = (_call: unknown, callback: (error: object) => void) => callback({ code, details });
  server.addService(Object.fromEntries(calls), { GetSystemInfo: refuse, DescribeNamespace: refuse });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync(
      '127.0.0.1:0',
      grpc.ServerCredentials.createInsecure(),
      (error: Error | null, bound: number) => (error === null ? resolve(bound) : reject(error)),
    ),
  );
  return { address: `127.0.0.1:${port}`, close: () => server.forceShutdown() };
}

const BASE = {
  NODE_OPTIONS: '',
  HF_TOKEN: 'hf_test',
  HF_ENDPOINT: 'http://127.0.0.1:1',
  TEMPORAL_CONFIG_FILE: '',
};

/** What the command line and a worker say, one line each. */
async function say(env: Record<string, string>): Promise<string[]> {
  const programs = [
    ['cli/main.js', 'status', '--data-dir', `/nonexistent/${randomUUID()}`],
    ['workers/gpu-worker.js'],
  ];
  return Promise.all(
    programs.map(async ([file, ...args]) => {
      const path = join(ROOT, 'dist', String(file));
      const { stderr, exitCode } = await execa(process.execPath, [path, ...args], {
        env: { ...BASE, ...env },
        reject: false,
        timeout: 30_000,
        killSignal: 'SIGKILL',
      });
      expect(exitCode).toBe(8);
      return stderr.trim().split('\n').at(-1) ?? '';
    }),
  );
}

describe('a connection that does not come about', () => {
  it('is said in one sentence when nobody listens', async () => {
    for (const line of await say({ TEMPORAL_ADDRESS: '127.0.0.1:1' }))
      expect(line).toMatch(/127\.0\.0\.1:1.*plein-air up.*TEMPORAL_ADDRESS/);
  });

  it('names a namespace that is not there, and the command that makes it', async () => {
    for (const line of await say({ TEMPORAL_ADDRESS: environment.address, TEMPORAL_NAMESPACE: 'louvre' }))
      expect(line).toMatch(/namespace "louvre".*temporal operator namespace create --namespace louvre/);
  });

  it.each([
    [16, 'Request unauthorized: token is expired', /wrong or expired.*TEMPORAL_API_KEY/],
    [16, 'Jwt is missing', /missing, wrong or expired.*TEMPORAL_API_KEY/],
    [7, 'Request unauthorized.', /namespace "default".*TEMPORAL_NAMESPACE/],
    [12, 'unknown method DescribeNamespace', /server 1\.25 or newer.*upgrade/],
  ])('explains status %d "%s"', async (code, details, wanted) => {
    const far = await refusing(code, details);
    try {
      for (const line of await say({ TEMPORAL_ADDRESS: far.address })) expect(line).toMatch(wanted);
    } finally {
      far.close();
    }
  });

  it('to a Hub without a token, with a word that is none, or with one that the Hub refuses is refused by workers before they take work', async () => {
    const hub = await startLocalHub({ root: await mkdtemp(join(tmpdir(), 'connection-')) });
    const worker = async (token: string | undefined) => {
      const { stderr, exitCode } = await execa(process.execPath, [join(ROOT, 'dist/workers/gpu-worker.js')], {
        env: { ...BASE, HF_ENDPOINT: hub.url, HF_TOKEN: token, TEMPORAL_ADDRESS: environment.address },
        ...{ reject: false, timeout: 30_000, killSignal: 'SIGKILL' },
      });
      expect(exitCode).toBe(8);
      expect(stderr).not.toContain('hf_wrong');
      return stderr.trim().split('\n').at(-1);
    };
    try {
      expect(await worker(undefined)).toMatch(/HF_TOKEN, got none.*settings\/tokens/);
      expect(await worker('secret')).toMatch(/starts with "hf_".*set HF_TOKEN/);
      expect(await worker('hf_wrong')).toMatch(
        /HTTP 401.*HF_TOKEN is valid \(http.*settings\/tokens.*plein-air doctor/,
      );
    } finally {
      await hub.close();
    }
  }, 120_000);

  it('never prints the key', async () => {
    const far = await refusing(16, 'bad token Bearer eyJsecretsecret');
    try {
      for (const line of await say({
        TEMPORAL_ADDRESS: far.address,
        TEMPORAL_API_KEY: 'eyJsecretsecret',
        TEMPORAL_TLS: 'false',
      }))
        expect(line).not.toContain('secretsecret');
    } finally {
      far.close();
    }
  });

  it('tells plain text from TLS', async () => {
    for (const line of await say({ TEMPORAL_ADDRESS: environment.address, TEMPORAL_TLS: 'true' }))
      expect(line).toMatch(/TLS/);
  });

  it('does not hang on a port that says nothing', async () => {
    const mute = createServer(() => undefined);
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
    const { port } = mute.address() as { port: number };
    const { stderr } = await execa(process.execPath, [join(ROOT, 'dist', 'cli', 'main.js'), 'status'], {
      env: { NODE_OPTIONS: '', TEMPORAL_ADDRESS: `127.0.0.1:${port}` },
      reject: false,
      timeout: 20_000,
      killSignal: 'SIGKILL',
    });
    mute.close();
    expect(stderr).toContain(`127.0.0.1:${port}`);
  });
});
