import { tell } from '../output.ts';

/** Resolves at the first Ctrl+C or SIGTERM; a second one ends the process at once. */
export function untilInterrupted(): Promise<void> {
  return new Promise((resolve) => onInterrupt(resolve));
}

/** Calls back at the first Ctrl+C or SIGTERM, after it has said so; the returned function stops listening. */
export function onInterrupt(
  callback: () => void,
  words = 'stopping … (Ctrl+C again ends at once)',
): () => void {
  let asked = false;
  const handler = () => {
    if (asked) process.exit(130);
    asked = true;
    tell(`\n${words}`);
    callback();
  };
  process.on('SIGINT', handler).on('SIGTERM', handler);
  return () => process.off('SIGINT', handler).off('SIGTERM', handler);
}
