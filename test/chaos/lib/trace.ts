import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';

/** One event of a trainer with the time at which it was sent, in milliseconds since the epoch. */
export interface Traced {
  at: number;
  event: string;
  stage?: string;
  done?: number;
  step?: number;
  path?: string;
  values?: Record<string, number>;
}

const fileOf = (folder: string, pid: number) => join(folder, `trace-${pid}.jsonl`);

/** Everything that a trainer has said; a line that it was killed in is left out. */
export function readTrace(folder: string, pid: number): Traced[] {
  return parse(readFileSync(fileOf(folder, pid), 'utf8'));
}

function parse(text: string): Traced[] {
  return text.split('\n').flatMap((line) => {
    try {
      return [JSON.parse(line) as Traced];
    } catch {
      return [];
    }
  });
}

/** Reads on where it stopped before. */
export function tail(folder: string, pid: number): () => Traced[] {
  let offset = 0;
  let rest = '';
  return () => {
    const file = openSync(fileOf(folder, pid), 'r');
    try {
      const buffer = Buffer.alloc(1 << 20);
      const size = readSync(file, buffer, 0, buffer.length, offset);
      offset += size;
      const lines = (rest + buffer.toString('utf8', 0, size)).split('\n');
      rest = lines.pop() ?? '';
      return parse(lines.join('\n'));
    } finally {
      closeSync(file);
    }
  };
}

/** What a trainer's last training did: when it began at which step, and when it reached each of the next ones. */
export interface Course {
  from: number;
  beganAt: number;
  reachedAt: Map<number, number>;
  /** Last step that it told of. */
  last: number;
}

/** The last training of a trainer; null: it did not get so far. */
export function courseOf(events: readonly Traced[]): Course | null {
  const begin = events.find(({ event, stage }) => event === 'progress' && stage === 'train');
  if (begin === undefined) return null;
  const from = begin.done ?? 0;
  const steps = events.filter(({ event, values }) => event === 'metric' && values?.loss !== undefined);
  const reachedAt = new Map(steps.map(({ step, at }) => [step ?? 0, at] as const));
  return { from, beganAt: begin.at, reachedAt, last: Math.max(from, ...reachedAt.keys()) };
}
