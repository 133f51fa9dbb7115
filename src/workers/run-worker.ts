import { hostname } from 'node:os';
import { Client } from '@temporalio/client';
import { Worker, type WorkerOptions } from '@temporalio/worker';
import { type Environment, readEnvironment } from '../config/env.ts';
import { ERROR_KINDS, PipelineError } from '../domain/errors.ts';
import { visibleText } from '../domain/visible-text.ts';
import { dataConverter } from '../temporal/data-converter.ts';
import { isAlive } from '../wire/processes.ts';
import { activityErrors } from './activity-errors.ts';
import { connectTemporal } from './connect.ts';
import { installRuntime } from './telemetry.ts';
import { startTracing } from './tracing.ts';

/** What a kind of worker puts together. */
export interface WorkerParts {
  /** Name to poll under; default: the one of the ground. */
  identity?: string;
  options: Partial<WorkerOptions> & { taskQueue: string };
  /** Seconds that activities may go on after SIGTERM before they are told of it; default: `PLEIN_AIR_GRACE_SECONDS`. */
  unaskedSeconds?: number;
  /** Further queues that the same process serves. */
  more?: (Partial<WorkerOptions> & { taskQueue: string })[];
  /** Ends what the worker started besides itself. */
  close(): Promise<void>;
}

/** What a worker is put together from. */
export interface WorkerGround {
  env: Environment;
  identity: string;
  client: Client;
}

/** Runs a worker until it is told to stop; exits with the code of the error's kind when it cannot start. */
export async function runWorker(
  kind: string,
  assemble: (ground: WorkerGround) => WorkerParts | Promise<WorkerParts>,
): Promise<void> {
  let parts: WorkerParts | null = null;
  try {
    const env = readEnvironment();
    installRuntime(env);
    const tracing = startTracing(kind, env);
    const { connection, namespace } = await connectTemporal();
    const identity = env.PLEIN_AIR_IDENTITY ?? `${kind}@${hostname()}:${process.pid}`;
    const converter = dataConverter(env);
    const converting = converter === undefined ? {} : { dataConverter: converter };
    const client = new Client({ connection, namespace, identity, ...converting });
    parts = await assemble({ env, identity, client });
    const shared = {
      connection,
      namespace,
      identity: parts.identity ?? identity,
      ...converting,
      shutdownGraceTime: `${parts.unaskedSeconds ?? env.PLEIN_AIR_GRACE_SECONDS}s`,
      shutdownForceTime: `${env.PLEIN_AIR_GRACE_SECONDS + 30}s`,
      maxHeartbeatThrottleInterval: '2s',
      defaultHeartbeatThrottleInterval: '2s',
      ...(tracing === null ? {} : { sinks: tracing.sinks }),
    } satisfies Partial<WorkerOptions>;
    const traced = tracing?.interceptors ?? { activity: [], client: {} };
    const ours = [...traced.activity, () => ({ inbound: activityErrors })];
    const workers: Worker[] = [];
    for (const { interceptors, ...options } of [parts.options, ...(parts.more ?? [])]) {
      const activity = [...ours, ...(interceptors?.activity ?? [])];
      workers.push(
        await Worker.create({ ...shared, ...options, interceptors: { activity, client: traced.client } }),
      );
    }
    stopWithParent(workers);
    stopWithOwner(workers);
    // One that fails takes the others with it: half a worker would look alive and leave work lying.
    await Promise.all(
      workers.map((worker) =>
        worker.run().catch((error) => {
          for (const other of workers) if (other.getState() === 'RUNNING') other.shutdown();
          throw error;
        }),
      ),
    );
    await tracing?.close();
    await connection.close();
  } catch (error) {
    const kindOf = error instanceof PipelineError ? error.kind : 'Internal';
    process.stderr.write(
      `${kind} worker: ${visibleText(error instanceof PipelineError ? error.message : String((error as Error).stack))}\n`,
    );
    process.exitCode = ERROR_KINDS[kindOf].exitCode;
  } finally {
    await parts?.close();
    // What native code still holds must not keep a worker that has ended.
    setTimeout(() => process.exit(), 5000).unref();
  }
}

/** A worker that a command line started ends when that command line is gone: its standard input then closes. */
function stopWithParent(workers: readonly Worker[]): void {
  if (!process.argv.includes('--stop-with-parent')) return;
  process.stdin.resume();
  process.stdin.once('end', () => {
    for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
  });
  process.stdin.unref?.();
}

/** A worker that outlives who started it ends when the process that `--stop-with` names is gone. */
function stopWithOwner(workers: readonly Worker[]): void {
  const at = process.argv.indexOf('--stop-with');
  if (at === -1) return;
  const owner = Number(process.argv[at + 1]);
  const timer = setInterval(() => {
    if (isAlive(owner)) return;
    clearInterval(timer);
    for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
  }, 1000);
  timer.unref();
}
