import { log, setDefaultSignalHandler } from '@temporalio/workflow';

/** Says of a signal with a name that this workflow does not know what it would know; Temporal itself reports success. */
export function reportUnknownSignals(known: readonly string[]): void {
  const expected = known.length === 0 ? 'expected none' : `expected ${known.join(', ')}`;
  setDefaultSignalHandler((name) => {
    log.warn(`unknown signal "${name}": ${expected}; nothing was changed`);
  });
}
