import type { Candidate } from '../../src/domain/dataset/measures.ts';
import type { Sha256 } from '../../src/domain/refs.ts';

/** A 32 × 32 thumbnail: equal numbers look the same, others like other pictures; `grain` adds a little noise. */
export function thumbnailOf(look: number, grain = 0): string {
  const name = `${look} ${grain}`;
  const known = drawn.get(name) ?? draw(look, grain);
  drawn.set(name, known);
  return known;
}

const drawn = new Map<string, string>();

/** A patchwork of 10 × 10 tones: its details make it like no other. */
function draw(look: number, grain: number): string {
  const tone = (x: number, y: number) => {
    let mixed = Math.imul(look + 1, 0x9e3779b1) ^ Math.imul(x * 10 + y + 1, 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d);
    return ((mixed ^ (mixed >>> 12)) >>> 0) % 200;
  };
  let hex = '';
  for (let at = 0; at < 1024; at++) {
    const value = tone(Math.floor((at % 32) / 3.2), Math.floor(at / 32 / 3.2)) + grain * (at % 2);
    hex += (value + 20).toString(16).padStart(2, '0');
  }
  return hex;
}

/** A candidate of 300 × 300 pixels; those with one `look` are copies of one another. */
export function candidateOf(
  at: number,
  over: {
    artist?: string;
    look?: number;
    grain?: number;
    side?: number;
    genre?: string;
    sharpness?: number;
    letters?: number;
  } = {},
): Candidate {
  const side = over.side ?? 300;
  return {
    source: `data/train.parquet:${at}`,
    order: at,
    artist: over.artist ?? `artist-${at % 5}`,
    genre: over.genre ?? 'landscape',
    style: 'Impressionism',
    caption: '',
    measures: {
      encodedBytes: 1000,
      width: side,
      height: side,
      box: [0, 0, side, side],
      chroma: 20,
      brightness: 50,
      sharpness: over.sharpness ?? -0.4,
      colorSpread: 8,
      flatPart: 0,
      letters: over.letters ?? 0,
      signature: false,
      style: [],
      thumbnail: thumbnailOf(over.look ?? at + 1000, over.grain),
      repairs: [],
    },
    pixels: at.toString(16).padStart(64, '0') as Sha256,
    bucket: { width: 128, height: 128 },
  };
}
