import { hostname } from 'node:os';
import { Client, Connection } from '@temporalio/client';
import { type Environment, hubAccess, readEnvironment } from '../config/env.ts';
import { PipelineError } from '../domain/errors.ts';
import { connectHub, type HubOptions } from '../hub/client.ts';
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

/** {@link connectClient} without a first word to the server: it may answer later, and be gone in between. */
export function connectLazily(dataDir: string, env = readEnvironment()): Client {
  const { options, namespace } = connectionSettings(readStack(dataDir)?.temporal.address ?? null);
  const connection = Connection.lazy(options);
  open.push(connection);
  const converter = dataConverter(env);
  return new Client({
    ...{ connection, namespace, identity: `plein-air@${hostname()}` },
    ...(converter === undefined ? {} : { dataConverter: converter }),
  });
}

/**
 * The Hub: the running stack's, unless `HF_ENDPOINT` names another; without a stack the one that `HF_TOKEN` opens, which is
 * huggingface.co where nothing else is said.
 */
export function connectRunHub(env: Environment, dataDir: string, patience: HubOptions['patience'] = {}): Hub {
  const stack = readStack(dataDir);
  if (stack?.hub.embedded === true && (env.HF_ENDPOINT ?? stack.hub.url) === stack.hub.url)
    return connectHub({ endpoint: stack.hub.url, accessToken: LOCAL_TOKEN, patience });
  const access = hubAccess(env);
  if (access === null)
    throw new PipelineError(
      'HubRefused',
      'expected a Hub, got none: start the local one in another terminal with "plein-air up", or set HF_TOKEN to use huggingface.co',
    );
  return connectHub({ ...access, endpoint: env.HF_ENDPOINT ?? stack?.hub.url ?? access.endpoint, patience });
}
