import { hostname } from 'node:os';
import { Context } from '@temporalio/activity';
import { DefaultLogger, Runtime, Worker, type WorkerOptions } from '@temporalio/worker';
import { type Environment, readEnvironment } from '../config/env.ts';
import { PipelineError } from '../domain/errors.ts';
import { activityErrors } from './activity-errors.ts';
import { connectTemporal } from './connect.ts';

/** What an activity needs of Temporal; tests give their own. */
export const activityContext = () => Context.current();

/** Runs a worker until it is told to stop; exits with the code of the error's kind when it cannot start. */
export async function runWorker(
  kind: string,
  options: (env: Environment) => Partial<WorkerOptions> & { taskQueue: string },
  close: () => Promise<void> = async () => undefined,
): Promise<void> {
  try {
    const env = readEnvironment();
    Runtime.install({ logger: new DefaultLogger('INFO'), shutdownSignals: ['SIGINT', 'SIGTERM'] });
    const { connection, namespace } = await connectTemporal();
    const worker = await Worker.create({
      connection,
      namespace,
      identity: env.PLEIN_AIR_IDENTITY ?? `${kind}@${hostname()}:${process.pid}`,
      shutdownGraceTime: `${env.PLEIN_AIR_GRACE_SECONDS}s`,
      shutdownForceTime: `${env.PLEIN_AIR_GRACE_SECONDS + 30}s`,
      maxHeartbeatThrottleInterval: '2s',
      defaultHeartbeatThrottleInterval: '2s',
      interceptors: { activity: [() => ({ inbound: activityErrors })] },
      ...options(env),
    });
    stopWithParent(worker);
    await worker.run();
    await close();
    await connection.close();
  } catch (error) {
    await close();
    const known = error instanceof PipelineError;
    process.stderr.write(`${kind} worker: ${known ? error.message : (error as Error).stack}\n`);
    process.exitCode = known ? 8 : 70;
  }
}

/** A worker that a command line started ends when that command line is gone: its standard input then closes. */
function stopWithParent(worker: Worker): void {
  if (!process.argv.includes('--stop-with-parent')) return;
  process.stdin.resume();
  process.stdin.once('end', () => {
    if (worker.getState() === 'RUNNING') worker.shutdown();
  });
  process.stdin.unref?.();
}
