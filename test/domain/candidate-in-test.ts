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

/** The part of a wide patchwork between two places of its width, as a thumbnail. */
export function partOf(look: number, from: number, to: number): string {
  const [columns, rows] = [12, 9];
  return Array.from({ length: 1024 }, (_, at) => {
    const x = Math.floor((from + ((to - from) * ((at % 32) + 0.5)) / 32) * columns);
    const y = Math.floor(((Math.floor(at / 32) + 0.5) / 32) * rows);
    return (toneOf(look, x, y) + 20).toString(16).padStart(2, '0');
  }).join('');
}

function toneOf(look: number, x: number, y: number): number {
  let mixed = Math.imul(look + 1, 0x9e3779b1) ^ Math.imul(x * 10 + y + 1, 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d);
  return ((mixed ^ (mixed >>> 12)) >>> 0) % 200;
}

/** A thumbnail between two others: `part` of the first. */
export function blended(first: string, second: string, part: number): string {
  return Array.from({ length: 1024 }, (_, at) => {
    const [a, b] = [first, second].map((hex) => Number.parseInt(hex.slice(at * 2, at * 2 + 2), 16)) as [
      number,
      number,
    ];
    return Math.round(part * a + (1 - part) * b)
      .toString(16)
      .padStart(2, '0');
  }).join('');
}

/** A patchwork of 10 × 10 tones: its details make it like no other. */
function draw(look: number, grain: number): string {
  let hex = '';
  for (let at = 0; at < 1024; at++) {
    const value = toneOf(look, Math.floor((at % 32) / 3.2), Math.floor(at / 32 / 3.2)) + grain * (at % 2);
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
