import { hostname } from 'node:os';
import { Client, Connection } from '@temporalio/client';
import { type Environment, readEnvironment } from '../config/env.ts';
import { PipelineError } from '../domain/errors.ts';
import { connectHub } from '../hub/client.ts';
import type { Hub } from '../hub/hub.ts';
import { connectionSettings, explainTemporal } from '../temporal/connection.ts';
import { dataConverter } from '../temporal/data-converter.ts';
import { LOCAL_TOKEN } from './stack/stack.ts';
import { readStack } from './stack/stack-file.ts';

const open: Connection[] = [];

/** Closes every connection that a command opened; an open one keeps the process alive. */
export async function closeConnections(): Promise<void> {
  await Promise.all(open.splice(0).map((connection) => connection.close()));
}

/** A Temporal client: from `TEMPORAL_*` where set, else from the embedded stack of the data folder. */
export async function connectClient(dataDir: string, env = readEnvironment()): Promise<Client> {
  const { options, namespace } = connectionSettings(readStack(dataDir)?.temporal.address ?? null);
  try {
    const connection = await Connection.connect({ ...options, connectTimeout: '5s' });
    open.push(connection);
    await connection.workflowService.describeNamespace({ namespace });
    const converter = dataConverter(env);
    return new Client({
      connection,
      namespace,
      identity: `plein-air@${hostname()}`,
      ...(converter === undefined ? {} : { dataConverter: converter }),
    });
  } catch (error) {
    throw explainTemporal(error, { address: options.address, namespace, tls: Boolean(options.tls) });
  }
}

/** The Hub: from `HF_ENDPOINT` and `HF_TOKEN` where set, else the embedded stack's. */
export function connectRunHub(env: Environment, dataDir: string): Hub {
  const stack = readStack(dataDir);
  const endpoint = env.HF_ENDPOINT ?? stack?.hub.url;
  const accessToken = env.HF_TOKEN ?? (stack?.hub.embedded === true ? LOCAL_TOKEN : undefined);
  if (endpoint === undefined || accessToken === undefined)
    throw new PipelineError(
      'HubRefused',
      'expected a Hub: start the embedded one with "plein-air up", or set HF_ENDPOINT and HF_TOKEN',
    );
  return connectHub({ endpoint, accessToken });
}
