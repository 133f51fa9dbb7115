import { Client, Connection } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { type Environment, processEnvironment } from '../config/env.ts';
import { PipelineError } from '../domain/errors.ts';
import { connectHub } from '../hub/client.ts';
import type { Hub } from '../hub/hub.ts';
import { LOCAL_TOKEN } from './stack/stack.ts';
import { readStack } from './stack/stack-file.ts';

const open: Connection[] = [];

/** Closes every connection that a command opened; an open one keeps the process alive. */
export async function closeConnections(): Promise<void> {
  await Promise.all(open.splice(0).map((connection) => connection.close()));
}

/** A Temporal client: from `TEMPORAL_*` where set, else from the embedded stack of the data folder. */
export async function connectClient(dataDir: string): Promise<Client> {
  const { connectionOptions, namespace } = loadClientConnectConfig();
  const stack = readStack(dataDir);
  const asked = processEnvironment().TEMPORAL_ADDRESS;
  const address = asked === undefined && stack !== null ? stack.temporal.address : connectionOptions.address;
  try {
    const connection = await Connection.connect({
      ...connectionOptions,
      address: address ?? '127.0.0.1:7233',
      connectTimeout: '5s',
    });
    open.push(connection);
    return new Client({ connection, namespace: namespace ?? 'default' });
  } catch (error) {
    throw new PipelineError(
      'HubUnavailable',
      `expected a Temporal server at ${address ?? '127.0.0.1:7233'}, got no answer: start the embedded one with "plein-air up", or set TEMPORAL_ADDRESS`,
      { cause: error },
    );
  }
}

/** The Hub: from `HF_ENDPOINT` and `HF_TOKEN` where set, else the embedded stack's. */
export function connectRunHub(env: Environment, dataDir: string): Hub {
  const stack = readStack(dataDir);
  const endpoint = env.HF_ENDPOINT ?? stack?.hub.url;
  const accessToken = env.HF_TOKEN ?? (stack === null ? undefined : LOCAL_TOKEN);
  if (endpoint === undefined || accessToken === undefined)
    throw new PipelineError(
      'HubRefused',
      'expected a Hub: start the embedded one with "plein-air up", or set HF_ENDPOINT and HF_TOKEN',
    );
  return connectHub({ endpoint, accessToken });
}
