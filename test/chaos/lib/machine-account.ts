import { readdirSync, readFileSync } from 'node:fs';
import type { GpuSession } from '../../../src/domain/gpu-source/session.ts';

/** One machine as the system saw it: a process of a GPU worker, from the first sight of it to the last. */
export interface Machine {
  name: string;
  pid: number;
  from: number;
  to: number;
}

const EVERY_MS = 100;
/** Time by which ledger and machines may differ: a minute of one session. */
const TOLERANCE_MS = 60_000;

/** Keeps its own account of every GPU worker of a fleet, by looking at the system's processes: what was really open, and when. */
export class MachineAccount {
  readonly machines: Machine[] = [];
  private readonly prefix: string;
  private readonly timer: NodeJS.Timeout;

  constructor(prefix: string) {
    this.prefix = prefix;
    this.timer = setInterval(() => this.look(), EVERY_MS);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /** Processes that are there now. */
  look(): Machine[] {
    const now = Date.now();
    const found: Machine[] = [];
    for (const entry of readdirSync('/proc')) {
      const name = /^\d+$/.test(entry) ? sessionOf(entry) : null;
      if (name?.startsWith(this.prefix) !== true) continue;
      const pid = Number(entry);
      let machine = this.machines.find((one) => one.pid === pid && one.name === name);
      if (machine === undefined) {
        machine = { name, pid, from: now, to: now };
        this.machines.push(machine);
      }
      machine.to = now;
      found.push(machine);
    }
    return found;
  }

  /** What of the ledger does not agree with what was really open. */
  faults(ledger: readonly GpuSession[]): string[] {
    const faults: string[] = [];
    for (const { name, from, to, pid } of this.machines) {
      const twin = this.machines.find(
        (other) => other.name === name && other.pid !== pid && other.from < to && from < other.to,
      );
      if (twin !== undefined) faults.push(`${name} was open twice at a time`);
      const session = ledger.find((one) => one.name === name);
      if (session === undefined) faults.push(`${name} ran and is not in the ledger`);
      else if (session.openedAt > from) faults.push(`${name} ran before the ledger says`);
      else if ((session.closedAt ?? Number.POSITIVE_INFINITY) < to - TOLERANCE_MS)
        faults.push(`${name} ran ${seconds(to - (session.closedAt ?? 0))} longer than the ledger says`);
    }
    for (const session of ledger) {
      const { name, closedAt, readyAt, ended } = session;
      if (closedAt === null) faults.push(`${name} is open in the ledger`);
      if (closedAt === null || readyAt === null || ended === 'refused') continue;
      const last = Math.max(...this.machines.filter((one) => one.name === name).map(({ to }) => to));
      if (closedAt - last > TOLERANCE_MS)
        faults.push(`${name} is paid ${seconds(closedAt - last)} after its end`);
    }
    return faults;
  }
}

const seconds = (ms: number) => `${(ms / 1000).toFixed(0)} s`;

/** The session that a process is the GPU worker of, from its own environment; null: it is none. */
function sessionOf(pid: string): string | null {
  try {
    const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    // The shell-like starter of a job has the worker's file among its arguments as well.
    if (args[1]?.endsWith('gpu-worker.js') !== true) return null;
    const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
    return environment.find((line) => line.startsWith('PLEIN_AIR_IDENTITY='))?.slice(19) ?? null;
  } catch {
    return null;
  }
}
