import { DefaultLogger, type LogEntry, makeTelemetryFilterString, Runtime } from '@temporalio/worker';
import type { Environment } from '../config/env.ts';
import { spentBy } from '../domain/gpu-source/money.ts';
import type { FleetView } from '../domain/gpu-source/plan.ts';
import { monthOf } from '../domain/gpu-source/session.ts';
import type { GpuReport } from '../domain/run/gpu-report.ts';

/** Names and units as dashboard and alerts have them: Prometheus's own conventions. */
const PROMETHEUS = { countersTotalSuffix: true, unitSuffix: true, useSecondsForDurations: true } as const;

/** Installs the worker's log and, where asked for, its Prometheus endpoint. */
export function installRuntime(env: Environment): void {
  const logger =
    env.PLEIN_AIR_LOG_FORMAT === 'json' ? new DefaultLogger('INFO', writeJson) : new DefaultLogger('INFO');
  const bindAddress = env.PLEIN_AIR_METRICS_ADDRESS;
  Runtime.install({
    logger,
    shutdownSignals: ['SIGINT', 'SIGTERM'],
    telemetryOptions: {
      logging: { filter: makeTelemetryFilterString({ core: 'WARN', other: 'ERROR' }), forward: {} },
      ...(bindAddress === undefined ? {} : { metrics: { prometheus: { bindAddress, ...PROMETHEUS } } }),
    },
  });
}

/** One object a line; the SDK adds workflow, run, activity and attempt to what is logged within one. */
function writeJson({ level, timestampNanos, message, meta }: LogEntry): void {
  // Whoever has an activity's token may answer in its place: it is nobody's business but the worker's.
  const { taskToken: _, ...about } = meta ?? {};
  const at = new Date(Number(timestampNanos / 1_000_000n)).toISOString();
  const seen = (_key: string, value: unknown) =>
    typeof value === 'bigint' ? String(value) : value instanceof Error ? value.message : value;
  process.stderr.write(`${JSON.stringify({ at, level, message, ...about }, seen)}\n`);
}

/** Gauges of the GPU activity under way, labeled with run, branch and activity. */
export function progressGauges(): (report: GpuReport, run: string) => void {
  const meter = Runtime.instance().metricMeter;
  const gauge = (name: string, description: string) =>
    meter.createGauge(`plein_air_${name}`, 'float', '', description);
  const gauges = {
    step: gauge('step', 'Optimizer steps done'),
    steps: gauge('steps', 'Optimizer steps wanted'),
    eta: gauge('eta_seconds', 'Seconds to the end of the stage'),
    attempt: gauge('attempt', 'Attempt of the activity, from 1'),
    preemptions: gauge('preemptions', 'Attempts of the branch that vanished'),
    repeated: gauge('repeated_steps', 'Steps done again after preemptions'),
    loss: gauge('loss', 'Training loss'),
    heldOut: gauge('held_out_loss', 'Held-out loss'),
    checkpointAt: gauge('checkpoint_timestamp_seconds', 'When the newest checkpoint was on the Hub'),
    checkpointStep: gauge('checkpoint_step', 'Step of the newest checkpoint'),
    gpuSeconds: gauge('gpu_seconds', 'Seconds that the run has spent on accelerators'),
    told: gauge('progress_timestamp_seconds', 'When the activity last made progress'),
  };
  return ({ progress, attempt, activity, branch, at }, run) => {
    const tags = { run, activity, branch };
    const { metrics, lastCheckpoint } = progress;
    const values: [(typeof gauges)[keyof typeof gauges], number | null | undefined][] = [
      [gauges.step, metrics.step],
      [gauges.steps, progress.stage === 'train' ? progress.total : undefined],
      [gauges.eta, progress.etaSeconds],
      [gauges.attempt, attempt],
      [gauges.preemptions, metrics.preemptions],
      [gauges.repeated, metrics.repeatedSteps],
      [gauges.loss, metrics.loss],
      [gauges.heldOut, metrics.heldOutLoss],
      [gauges.checkpointAt, lastCheckpoint === null ? null : lastCheckpoint.at / 1000],
      [gauges.checkpointStep, lastCheckpoint?.step],
      [gauges.gpuSeconds, metrics.runGpuSeconds],
      [gauges.told, at / 1000],
    ];
    for (const [metric, value] of values) if (value != null) metric.set(value, tags);
  };
}

/** Gauges of the fleet, by source and state; money is what sessions of this month have cost up to now. */
export function fleetGauges(): (view: FleetView) => void {
  const meter = Runtime.instance().metricMeter;
  const gauge = (name: string, description: string) =>
    meter.createGauge(`plein_air_gpu_${name}`, 'float', '', description);
  const sessionsOpen = gauge('sessions', 'GPU sessions that are open');
  const refused = gauge('sessions_refused', 'GPU sessions refused this month');
  const spent = gauge('money', 'What GPU sessions of this month cost');
  const waiting = gauge('waiting', 'GPU work that no worker has taken');
  const sources = new Set<string>();
  return (view) => {
    const month = monthOf(view.now);
    const ofMonth = view.sessions.filter(({ openedAt }) => monthOf(openedAt) === month);
    for (const { source } of view.sessions) sources.add(source);
    for (const source of sources) {
      const own = view.sessions.filter((session) => session.source === source && session.closedAt === null);
      const ready = own.filter(({ readyAt }) => readyAt !== null).length;
      sessionsOpen.set(ready, { source, state: 'ready' });
      sessionsOpen.set(own.length - ready, { source, state: 'starting' });
      const months = ofMonth.filter((session) => session.source === source);
      refused.set(months.filter(({ ended }) => ended === 'refused').length, { source });
      for (const currency of new Set(months.map(({ price }) => price.currency)))
        spent.set(
          spentBy({ ...view, sessions: months }, ({ price }) => price.currency === currency),
          { source, currency },
        );
    }
    waiting.set(view.waiting.length, {});
  };
}
