/**
 * Mutated pictures and parquet files through the preparation, in a process that is given up when one input takes longer
 * than two minutes: `node scripts/ts.mjs test/chaos/prepare-fuzz.ts [count] [seed]` (half of each).
 */
import { fork } from 'node:child_process';
import { resolve } from 'node:path';
import { type FuzzReport, fuzzParquet, fuzzPictures } from './lib/fuzz-preparation.ts';

const [count = 6000, seed = 1] = process.argv.slice(2).map(Number);
const MAX_SECONDS = 120;

if (process.send !== undefined) {
  const step = (kind: string) => (at: number) => process.send?.({ kind, at });
  const pictures = await fuzzPictures(Math.ceil(count / 2), seed, step('picture'));
  const parquet = await fuzzParquet(Math.floor(count / 2), seed, step('parquet'));
  process.send({ pictures, parquet });
  process.disconnect();
} else {
  const started = Date.now();
  const child = fork(resolve('test/chaos/prepare-fuzz.ts'), [String(count), String(seed)], {
    execArgv: [resolve('scripts/ts.mjs')],
  });
  let last = 'the start';
  let reports: { pictures: FuzzReport; parquet: FuzzReport } | null = null;
  const hang = () => {
    console.error(`no progress for ${MAX_SECONDS} s after ${last}: a hang`);
    child.kill('SIGKILL');
  };
  let timer = setTimeout(hang, MAX_SECONDS * 1000);
  child.on('message', (message: { kind: string; at: number } | NonNullable<typeof reports>) => {
    clearTimeout(timer);
    timer = setTimeout(hang, MAX_SECONDS * 1000);
    if ('pictures' in message) reports = message;
    else last = `${message.kind} ${message.at}`;
  });
  const code = await new Promise((ended) => child.once('exit', ended));
  clearTimeout(timer);
  if (reports === null) {
    console.error(`the process ended with ${code} at ${last}`);
    process.exitCode = 1;
  } else {
    const { pictures, parquet } = reports as { pictures: FuzzReport; parquet: FuzzReport };
    console.log(
      JSON.stringify({ seconds: Math.round((Date.now() - started) / 1000), pictures, parquet }, null, 2),
    );
    if (pictures.problems.length + parquet.problems.length > 0) process.exitCode = 1;
  }
}
