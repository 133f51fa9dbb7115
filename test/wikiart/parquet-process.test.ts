import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { expect, it } from '@jest/globals';
import { inParquetProcess } from '../../src/wikiart/parquet-process.ts';
import { endlessRun } from './endless-run.ts';
import { wikiArtParquet } from './parquet-in-test.ts';

const row = {
  bytes: new Uint8Array([1, 2, 3]),
  artist: 'Unknown Artist',
  genre: 'landscape',
  style: 'Cubism',
};
const bytes = wikiArtParquet([row, row], { groupRows: 2 });
const fileOf = (slice: (start: number, end: number) => Promise<ArrayBuffer>) => ({
  byteLength: bytes.length,
  slice: (start: number, end = bytes.length) => slice(start, end),
});
const whole = async (start: number, end: number) =>
  bytes.buffer.slice(bytes.byteOffset + start, bytes.byteOffset + end) as ArrayBuffer;
const metadata = { kind: 'metadata', initialFetchSize: 1024 } as const;

it('gives a decoder up that comes to no end, and goes on with the next file', async () => {
  await expect(inParquetProcess(fileOf(whole), metadata, { patienceMs: 0 })).rejects.toThrow(
    'no end after 0 s of decoding',
  );
  await expect(inParquetProcess(fileOf(whole), metadata)).resolves.toMatchObject({ num_rows: 2n });
});

it('throws what reading the file throws', async () => {
  const failing = fileOf(async () => {
    throw new RangeError('the line is down');
  });
  await expect(inParquetProcess(failing, metadata)).rejects.toThrow(RangeError);
});

it('outlives a run length on which V8 ends the decoder’s process, and shows signs of life until then', async () => {
  const { file, task } = await endlessRun();
  let signs = 0;
  const alive = () => {
    signs += 1;
  };
  await expect(inParquetProcess({ ...file, alive }, task, { aliveMs: 20 })).rejects.toThrow(
    /content on which the decoder ended with SIG(ABRT|TRAP|ILL)/,
  );
  expect(signs).toBeGreaterThan(0);
  await expect(inParquetProcess(fileOf(whole), metadata)).resolves.toMatchObject({ num_rows: 2n });
}, 60_000);

it('takes the end of a process that somebody killed for no fault of the file, and lets Ctrl+C pass', async () => {
  const { file, task } = await endlessRun();
  let signs = 0;
  const alive = () => {
    signs += 1;
    for (const child of childrenOf(process.pid)) process.kill(child, signs < 3 ? 'SIGINT' : 'SIGKILL');
  };
  const reading = inParquetProcess({ ...file, alive }, task, { aliveMs: 50 });
  await expect(reading).rejects.toMatchObject({ kind: 'Internal', message: /its end by SIGKILL/ });
  expect(signs).toBeGreaterThanOrEqual(3);
});

it('leaves no process behind when its parent is killed in the middle of an endless run', async () => {
  const parent = spawn(process.execPath, ['scripts/ts.mjs', 'test/wikiart/decode-endless-run.ts'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(parent.stdout, 'data');
  const children = childrenOf(parent.pid as number);
  expect(children).toHaveLength(1);
  parent.kill('SIGKILL');
  await once(parent, 'exit');
  while (isThere(children[0] as number)) await setImmediate();
}, 60_000);

function childrenOf(pid: number): number[] {
  const { stdout } = spawnSync('ps', ['-o', 'pid=,args=', '--ppid', String(pid)], { encoding: 'utf8' });
  return stdout
    .split('\n')
    .filter((line) => line.includes('hyparquet'))
    .map((line) => Number.parseInt(line, 10));
}

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
