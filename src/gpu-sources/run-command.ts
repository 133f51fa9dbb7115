import { execa } from 'execa';
import { killIfThere } from '../wire/processes.ts';

/** How a program ended. */
export interface Ended {
  /** Undefined where it could not be started or was ended by a signal. */
  exitCode: number | undefined;
  timedOut: boolean;
  stdout: string;
  /** Both streams, as they came. */
  all: string;
}

const MAX_OUTPUT = 1_000_000;

/**
 * Runs a program with the given variables and nothing else of this process's environment. At its time-out, or when the signal
 * aborts, its whole group is killed: what it started would else hold its output open.
 */
export async function runCommand(
  line: readonly string[],
  options: { env: Record<string, string | undefined>; seconds: number; signal?: AbortSignal | undefined },
): Promise<Ended> {
  const { env, seconds, signal } = options;
  signal?.throwIfAborted();
  const [file = '', ...args] = line;
  const child = execa(file, args, {
    env,
    extendEnv: false,
    stdin: 'ignore',
    detached: true,
    maxBuffer: MAX_OUTPUT,
    all: true,
    reject: false,
  });
  let timedOut = false;
  const kill = () => {
    if (child.pid !== undefined) killIfThere(-child.pid);
  };
  const timer = setTimeout(() => {
    timedOut = true;
    kill();
  }, seconds * 1000);
  signal?.addEventListener('abort', kill, { once: true });
  try {
    const { exitCode, stdout, all } = await child;
    signal?.throwIfAborted();
    return { exitCode, timedOut, stdout, all };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', kill);
  }
}

/** The last lines of what a program said, short enough for a sentence. */
export function lastWords(text: string): string {
  const words = text.trim().split(/\r?\n/).slice(-3).join(' ');
  return words === '' ? '(it said nothing)' : words.slice(0, 400);
}
