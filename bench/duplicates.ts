/**
 * Near-duplicate search as the number of hashes grows: `node scripts/ts.mjs bench/duplicates.ts [most]`. Every hash set
 * holds planted pairs; all of them must be found. Pictures of three views each, as preparation stores them, are timed as well.
 */
import { createHash } from 'node:crypto';
import { closePairs, closePictures } from '../src/domain/dataset/duplicates.ts';

const BITS = 6;
const most = Number(process.argv[2] ?? 100_000);
let drawn = 0;
/** Bytes that look random and are the same in every run. */
const fresh = (): Buffer => createHash('sha256').update(`bench ${drawn++}`).digest();

/** A hash with `bits` of its bits turned. */
function turned(hash: string, bits: number): string {
  let value = BigInt(`0x${hash}`);
  const places = new Set<number>();
  while (places.size < bits) places.add((fresh()[0] as number) & 63);
  for (const place of places) value ^= 1n << BigInt(place);
  return value.toString(16).padStart(16, '0');
}

function hashes(count: number): { all: string[]; planted: number } {
  const own = Array.from({ length: Math.floor(count * 0.95) }, () => fresh().toString('hex', 0, 8));
  const copies = Array.from({ length: count - own.length }, (_, i) =>
    turned(own[i] as string, i % (BITS + 1)),
  );
  return { all: [...own, ...copies], planted: copies.length };
}

for (let count = most / 8; count <= most; count *= 2) {
  const { all, planted } = hashes(count);
  let start = performance.now();
  const found = closePairs(all, BITS).length;
  const seconds = (performance.now() - start) / 1000;
  const views = all.map((hash) => [hash, turned(hash, 3), turned(hash, 5)]);
  start = performance.now();
  closePictures(views, BITS);
  const ofViews = (performance.now() - start) / 1000;
  console.log(
    `${String(count).padStart(7)} hashes ${seconds.toFixed(2)} s, found ${found} (planted ${planted}); as pictures of three views ${ofViews.toFixed(2)} s`,
  );
  if (found < planted) process.exitCode = 1;
}
