import { hostname } from 'node:os';
import { Context } from '@temporalio/activity';
import { DefaultLogger, Runtime, Worker, type WorkerOptions } from '@temporalio/worker';
import { readEnvironment } from '../config/env.ts';
import { ERROR_KINDS, PipelineError } from '../domain/errors.ts';
import { activityErrors } from './activity-errors.ts';
import { connectTemporal } from './connect.ts';

/** Heartbeat and cancellation of the activity that runs now, for activities that know nothing of Temporal. */
export const current = {
  heartbeat: (details: unknown) => Context.current().heartbeat(details),
  signal: () => Context.current().cancellationSignal,
};

/** What a kind of worker puts together. */
export interface WorkerParts {
  options: Partial<WorkerOptions> & { taskQueue: string };
  /** Seconds that activities may go on after SIGTERM before they are told of it; default: `PLEIN_AIR_GRACE_SECONDS`. */
  unaskedSeconds?: number;
  /** Further queues that the same process serves. */
  more?: (Partial<WorkerOptions> & { taskQueue: string })[];
  /** Ends what the worker started besides itself. */
  close(): Promise<void>;
}

/** Runs a worker until it is told to stop; exits with the code of the error's kind when it cannot start. */
export async function runWorker(kind: string, assemble: () => WorkerParts): Promise<void> {
  let parts: WorkerParts | null = null;
  try {
    const env = readEnvironment();
    Runtime.install({ logger: new DefaultLogger('INFO'), shutdownSignals: ['SIGINT', 'SIGTERM'] });
    parts = assemble();
    const { connection, namespace } = await connectTemporal();
    const shared = {
      connection,
      namespace,
      identity: env.PLEIN_AIR_IDENTITY ?? `${kind}@${hostname()}:${process.pid}`,
      shutdownGraceTime: `${parts.unaskedSeconds ?? env.PLEIN_AIR_GRACE_SECONDS}s`,
      shutdownForceTime: `${env.PLEIN_AIR_GRACE_SECONDS + 30}s`,
      maxHeartbeatThrottleInterval: '2s',
      defaultHeartbeatThrottleInterval: '2s',
      interceptors: { activity: [() => ({ inbound: activityErrors })] },
    } satisfies Partial<WorkerOptions>;
    const workers: Worker[] = [];
    for (const options of [parts.options, ...(parts.more ?? [])])
      workers.push(await Worker.create({ ...shared, ...options }));
    stopWithParent(workers);
    // One that fails takes the others with it: half a worker would look alive and leave work lying.
    await Promise.all(
      workers.map((worker) =>
        worker.run().catch((error) => {
          for (const other of workers) if (other.getState() === 'RUNNING') other.shutdown();
          throw error;
        }),
      ),
    );
    await connection.close();
  } catch (error) {
    const kindOf = error instanceof PipelineError ? error.kind : 'Internal';
    process.stderr.write(
      `${kind} worker: ${error instanceof PipelineError ? error.message : (error as Error).stack}\n`,
    );
    process.exitCode = ERROR_KINDS[kindOf].exitCode;
  } finally {
    await parts?.close();
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
