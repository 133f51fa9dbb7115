import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { SingleBar } from 'cli-progress';
import type { GpuProgress } from '../domain/run/activities.ts';
import type { PhaseRecord } from '../domain/run/phases.ts';
import type { Trial } from '../domain/tuning/search-space.ts';
import { type PendingActivity, type RunSnapshot, takeSnapshot } from '../runs/run-snapshot.ts';
import pc, { forTerminal, writeLine } from './colors.ts';
import { duration } from './output.ts';
import { progressWords, type ShownProgress } from './progress-line.ts';

export interface WatchOptions {
  /** Where lines go; bars are drawn only on a terminal. */
  out: NodeJS.WriteStream;
  signal?: AbortSignal;
  /** Sees every snapshot; the demo decides there when to kill. */
  onSnapshot?: (snapshot: RunSnapshot) => void | Promise<void>;
}

const SYMBOL: Record<PhaseRecord['status'], string> = {
  pending: '·',
  running: '▸',
  done: pc.green('✓'),
  cached: pc.green('↺'),
  skipped: pc.yellow('–'),
  failed: pc.red('✗'),
  cancelled: pc.yellow('✗'),
};

/** Shows a run live, a line per phase and a bar for the work under way, until it ends. */
export async function watchRun(
  client: Client,
  workflowId: string,
  options: WatchOptions,
): Promise<RunSnapshot> {
  const view = new View(options.out);
  try {
    for (;;) {
      const snapshot = await takeSnapshot(client, workflowId);
      view.show(snapshot);
      await options.onSnapshot?.(snapshot);
      if (snapshot.execution !== 'RUNNING' || options.signal?.aborted === true) return snapshot;
      await pause(500, options.signal);
    }
  } finally {
    view.close();
  }
}

async function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  await sleep(milliseconds, undefined, { signal }).catch(() => {});
}

/** One line about a phase. */
export function phaseLine(phase: PhaseRecord): string {
  const time =
    phase.startedAt === null || phase.endedAt === null
      ? ''
      : duration((phase.endedAt - phase.startedAt) / 1000);
  return `${SYMBOL[phase.status]} ${phase.name.padEnd(9)} ${pc.dim(time.padStart(8))}  ${phase.result}`;
}

/** One line about a trial that reached a rung. */
function trialLine({ number, parameters, reports, state, value }: Trial): string {
  const values = Object.entries(parameters).map(
    ([field, v]) => `${field} ${typeof v === 'number' ? Number(v.toPrecision(3)) : v}`,
  );
  const outcome = value === null ? state : `${value.toFixed(4)} at step ${reports.at(-1)?.step ?? 0}`;
  return pc.dim(`  trial ${number}: ${outcome}  ${values.join(', ')}`);
}

/** Newest figures in one line: step, losses, rate. */
export function figures(progress: GpuProgress): string {
  const names: Record<string, string> = {
    loss: 'loss',
    heldOutLoss: 'held-out',
    imagesPerSecond: 'images/s',
  };
  return Object.entries(names)
    .filter(([key]) => progress.metrics[key] !== undefined)
    .map(([key, name]) => `${name} ${Number(progress.metrics[key]).toPrecision(3)}`)
    .join('  ');
}

/** Columns of the bar; the words after it matter more. */
const BAR = 12;
/** Longest line where the output is no terminal. */
const MAX_PLAIN = 160;

class View {
  private readonly out: NodeJS.WriteStream;
  private readonly shown = new Set<string>();
  private bar: SingleBar | null = null;
  private lastPlain = '';

  constructor(out: NodeJS.WriteStream) {
    this.out = out;
  }

  show(snapshot: RunSnapshot): void {
    const { status } = snapshot;
    for (const phase of status?.phases ?? []) {
      if (phase.status === 'pending' || phase.status === 'running') continue;
      this.once(`${phase.name}:${phase.status}`, phaseLine(phase));
    }
    for (const trial of snapshot.study?.trials ?? [])
      if (trial.value !== null || trial.state === 'infeasible')
        this.once(`trial:${trial.number}:${trial.reports.length}:${trial.state}`, trialLine(trial));
    if (status?.needs != null) this.once(`needs:${status.needs}`, pc.yellow(`! ${status.needs}`));
    const active = snapshot.pending.find((activity) => activity.progress !== null) ?? snapshot.pending[0];
    for (const activity of snapshot.pending)
      if (activity.attempt > 1 && activity.lastFailure !== null)
        this.once(
          `${activity.type}:${activity.attempt}`,
          pc.yellow(
            `! ${activity.type}: attempt ${activity.attempt} (${activity.lastFailure.split('\n')[0]})`,
          ),
        );
    if (active === undefined) this.hideBar();
    else this.showActive(status?.phase ?? active.type, active);
  }

  private showActive(phase: string, { running, progress, type }: PendingActivity): void {
    const nothing = { figures: '', etaSeconds: null, done: 0, total: 1 };
    if (!running) this.progress(phase, { ...nothing, stage: 'waiting for a worker' });
    else if (progress === null) this.progress(phase, { ...nothing, stage: type });
    else this.progress(phase, { ...progress, figures: figures(progress) });
  }

  private once(key: string, line: string): void {
    if (this.shown.has(key)) return;
    this.shown.add(key);
    this.hideBar();
    writeLine(this.out, line);
  }

  private progress(phase: string, progress: ShownProgress): void {
    const { stage, done, total } = progress;
    if (!this.out.isTTY) {
      const quarter = total <= 1 ? 0 : Math.floor((done / total) * 4);
      const key = `${phase} ${stage} ${quarter}`;
      if (key !== this.lastPlain && total > 1)
        writeLine(this.out, `  ${phase}: ${progressWords(progress, MAX_PLAIN)}`);
      this.lastPlain = key;
      return;
    }
    const room = (this.out.columns || 80) - phase.length - BAR - 5;
    const words = forTerminal(progressWords(progress, room));
    if (this.bar === null) {
      this.bar = new SingleBar({
        format: '  {phase} {bar} {words}',
        barsize: BAR,
        stream: this.out,
        hideCursor: true,
        clearOnComplete: true,
        barCompleteChar: '━',
        barIncompleteChar: '╌',
      });
      this.bar.start(total, done, { phase, words });
    }
    this.bar.setTotal(total);
    this.bar.update(done, { phase, words });
  }

  private hideBar(): void {
    this.bar?.stop();
    this.bar = null;
  }

  close(): void {
    this.hideBar();
  }
}
