/**
 * How well other reproductions of a picture are found: `node scripts/ts.mjs bench/copies.ts FOLDER [seed…]`, where FOLDER holds
 * pictures, each of another thing; or a folder of Qt's .rcc files (Debian's gcompris-qt-data), whose pictures are taken out.
 * One copy of each is made by a program: 2 to 25 % cropped off, other tones and size, JPEG, caption, border.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { scoreCopies } from '../test/images/copies.ts';

const [folder, ...seeds] = process.argv.slice(2);
if (folder === undefined) throw new Error('Expected a folder of pictures');
const SMALLEST = 250;

/** Pictures that lie in a file as they are: a .rcc keeps WebP and JPEG unpacked. */
function* picturesIn(bytes: Buffer): Generator<Buffer> {
  for (let at = bytes.indexOf('RIFF'); at >= 0; at = bytes.indexOf('RIFF', at + 4))
    if (bytes.toString('latin1', at + 8, at + 12) === 'WEBP')
      yield bytes.subarray(at, at + 8 + bytes.readUInt32LE(at + 4));
  for (
    let at = bytes.indexOf('\xff\xd8\xff', 'latin1');
    at >= 0;
    at = bytes.indexOf('\xff\xd8\xff', at + 3, 'latin1')
  ) {
    const end = bytes.indexOf('\xff\xd9', at, 'latin1');
    if (end > 0) yield bytes.subarray(at, end + 2);
  }
}

const originals: { name: string; bytes: Buffer }[] = [];
for (const name of readdirSync(folder).sort()) {
  const file = readFileSync(join(folder, name));
  const found = name.endsWith('.rcc') ? [...picturesIn(file)] : [file];
  for (const [at, bytes] of found.entries()) {
    const header = await sharp(bytes, { failOn: 'warning' })
      .stats()
      .then(
        () => sharp(bytes).metadata(),
        () => null,
      );
    if (header === null || header.hasAlpha || Math.min(header.width, header.height) < SMALLEST) continue;
    originals.push({ name: found.length === 1 ? name : `${name}#${at}`, bytes });
  }
}
for (const seed of seeds.length === 0 ? [1] : seeds.map(Number)) {
  const start = performance.now();
  const { wrong, ...score } = await scoreCopies(originals, seed * 1000);
  console.log(
    JSON.stringify({ seed, ...score, seconds: Math.round((performance.now() - start) / 100) / 10 }),
  );
  for (const line of wrong) console.log(`  wrong: ${line}`);
}
