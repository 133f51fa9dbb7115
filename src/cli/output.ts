import { ERROR_KINDS, PipelineError } from '../domain/errors.ts';
import pc, { shownWidth, writeLine } from './colors.ts';

/** Ends a command: prints the error in one way and sets the exit code of its kind. */
export function reportError(error: unknown, json: boolean): void {
  const known = error instanceof PipelineError;
  const kind = known ? error.kind : 'Internal';
  const message = error instanceof Error ? error.message : String(error);
  if (json) writeLine(process.stdout, JSON.stringify({ error: { kind, message } }));
  else writeLine(process.stderr, `${pc.red(`${kind}:`)} ${message}`);
  if (!known && !json && error instanceof Error && error.stack !== undefined)
    writeLine(process.stderr, pc.dim(error.stack.split('\n').slice(1, 5).join('\n')));
  process.exitCode = ERROR_KINDS[kind].exitCode;
}

/** Prints a value as JSON, or the text made for people. */
export function print(json: boolean, value: unknown, text: () => string): void {
  writeLine(process.stdout, json ? JSON.stringify(value, null, 2) : text());
}

/** A line for people beside the output. */
export function tell(line: string): void {
  writeLine(process.stderr, line);
}

/** Columns padded to their widest cell; color codes do not count. */
export function table(head: string[], rows: string[][]): string {
  const widths = head.map((_, i) => Math.max(...[head, ...rows].map((row) => shownWidth(row[i] ?? ''))));
  const line = (cells: string[]) =>
    cells
      .map((cell, i) => cell + ' '.repeat((widths[i] ?? 0) - shownWidth(cell)))
      .join('  ')
      .trimEnd();
  return [pc.dim(line(head)), ...rows.map(line)].join('\n');
}

/** `1 h 02 min`, `2 min 05 s` or `3.4 s`. */
export function duration(seconds: number): string {
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${String(whole % 60).padStart(2, '0')} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`;
}
