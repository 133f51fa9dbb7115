import type { Candidate } from '../../src/domain/dataset/measures.ts';
import type { Sha256 } from '../../src/domain/refs.ts';

/** A candidate of 300 × 300 pixels; thumbnails are taken from the hash, so that equal hashes look the same. */
export function candidateOf(
  at: number,
  over: { artist?: string; hash?: string; side?: number; genre?: string; sharpness?: number } = {},
): Candidate {
  const hash =
    over.hash ?? ((BigInt(at + 1) * 0x9e3779b97f4a7c15n) % 2n ** 64n).toString(16).padStart(16, '0');
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
      sharpness: over.sharpness ?? 3,
      colorSpread: 8,
      letters: 0,
      signature: false,
      style: [],
      views: [{ hash, thumbnail: hash.repeat(32) }],
      repairs: [],
    },
    pixels: at.toString(16).padStart(64, '0') as Sha256,
    bucket: { width: 128, height: 128 },
  };
}
