import type { PerceptualHash } from './dataset-measures.ts';

/** Two items of a list whose hashes are close: positions `a` < `b` and the number of bits that differ. */
export interface ClosePair {
  a: number;
  b: number;
  bits: number;
}

const BANDS = 4;
const BAND_VALUES = 1 << 16;

/** Number of bits in which two 64-bit hashes differ. */
export function hammingBits(a: PerceptualHash, b: PerceptualHash): number {
  const [highA, lowA] = halves(a);
  const [highB, lowB] = halves(b);
  return popcount(highA ^ highB) + popcount(lowA ^ lowB);
}

/** Hashes up to which comparing all with all is quicker than an index. */
const FEW = 1000;

/** Every pair of hashes at most `limit` bits apart, exactly, in order. */
export function closePairs(hashes: readonly PerceptualHash[], limit: number): ClosePair[] {
  if (hashes.length > FEW) return indexedPairs(hashes, limit);
  return [...allPairs(hashes)].filter(({ bits }) => bits <= limit);
}

/**
 * The same by multi-index hashing (Norouzi et al., arXiv 1307.2982): hashes
 * that differ in at most `limit` of 64 bits differ in at most limit/4 bits of one of four 16-bit bands, so only
 * the band tables' entries near each hash are compared; near-linear in the number of hashes.
 */
export function indexedPairs(hashes: readonly PerceptualHash[], limit: number): ClosePair[] {
  const count = hashes.length;
  const words = splitHashes(hashes);
  const bandLimit = Math.floor(limit / BANDS);
  const masks = masksUpTo(bandLimit);
  const pairs: ClosePair[] = [];
  for (let band = 0; band < BANDS; band++) {
    const table = bandTable(words, band, count);
    for (let a = 0; a < count; a++) {
      const value = bandOf(words, a, band);
      for (const mask of masks) {
        const bucket = value ^ mask;
        const end = table.starts[bucket + 1] as number;
        for (let at = table.starts[bucket] as number; at < end; at++) {
          const b = table.items[at] as number;
          if (b <= a) continue;
          const bits = distance(words, a, b);
          if (bits <= limit && firstCloseBand(words, a, b, bandLimit) === band) pairs.push({ a, b, bits });
        }
      }
    }
  }
  return pairs.sort((x, y) => x.a - y.a || x.b - y.b);
}

/**
 * Every pair of pictures at most `limit` bits apart, each picture given by the hashes of its views, the whole first: the
 * distance is the smallest between one picture whole and any view of the other.
 */
export function closePictures(views: readonly (readonly PerceptualHash[])[], limit: number): ClosePair[] {
  const owners: number[] = [];
  const isWhole: boolean[] = [];
  const hashes: PerceptualHash[] = [];
  views.forEach((own, picture) => {
    own.forEach((hash, view) => {
      owners.push(picture);
      isWhole.push(view === 0);
      hashes.push(hash);
    });
  });
  const nearest = new Map<number, ClosePair>();
  for (const pair of closePairs(hashes, limit)) {
    const [a, b] = [owners[pair.a] as number, owners[pair.b] as number];
    if (a === b || !(isWhole[pair.a] || isWhole[pair.b])) continue;
    const key = a * views.length + b;
    const known = nearest.get(key);
    if (known === undefined || pair.bits < known.bits) nearest.set(key, { a, b, bits: pair.bits });
  }
  return [...nearest.values()].sort((x, y) => x.a - y.a || x.b - y.b);
}

/** Every pair of hashes with its distance, in order: for small lists and as the yardstick of `closePairs`. */
export function* allPairs(hashes: readonly PerceptualHash[]): Generator<ClosePair> {
  const words = splitHashes(hashes);
  for (let a = 0; a < hashes.length; a++)
    for (let b = a + 1; b < hashes.length; b++) yield { a, b, bits: distance(words, a, b) };
}

/** Groups positions 0 to count − 1 so that every pair lies in one group; a group is named by its smallest position. */
export function groupPairs(count: number, pairs: readonly { a: number; b: number }[]): number[] {
  const parent = Array.from({ length: count }, (_, i) => i);
  const find = (start: number): number => {
    let root = start;
    while ((parent[root] as number) !== root) root = parent[root] as number;
    for (let at = start; at !== root; ) {
      const next = parent[at] as number;
      parent[at] = root;
      at = next;
    }
    return root;
  };
  for (const { a, b } of pairs) {
    const [rootA, rootB] = [find(a), find(b)];
    parent[Math.max(rootA, rootB)] = Math.min(rootA, rootB);
  }
  return parent.map((_, i) => find(i));
}

interface Words {
  high: Uint32Array;
  low: Uint32Array;
}

function splitHashes(hashes: readonly PerceptualHash[]): Words {
  const high = new Uint32Array(hashes.length);
  const low = new Uint32Array(hashes.length);
  hashes.forEach((hash, i) => {
    [high[i], low[i]] = halves(hash);
  });
  return { high, low };
}

function halves(hash: PerceptualHash): [number, number] {
  return [Number.parseInt(hash.slice(0, 8), 16), Number.parseInt(hash.slice(8), 16)];
}

function distance(words: Words, a: number, b: number): number {
  return (
    popcount((words.high[a] as number) ^ (words.high[b] as number)) +
    popcount((words.low[a] as number) ^ (words.low[b] as number))
  );
}

function bandOf(words: Words, item: number, band: number): number {
  const word = (band < 2 ? words.high[item] : words.low[item]) as number;
  return band % 2 === 0 ? word >>> 16 : word & 0xffff;
}

/** The first band that could have found a pair: so each pair is reported once. */
function firstCloseBand(words: Words, a: number, b: number, bandLimit: number): number {
  for (let band = 0; band < BANDS; band++)
    if (popcount(bandOf(words, a, band) ^ bandOf(words, b, band)) <= bandLimit) return band;
  return -1;
}

function bandTable(words: Words, band: number, count: number): { starts: Uint32Array; items: Uint32Array } {
  const starts = new Uint32Array(BAND_VALUES + 1);
  for (let i = 0; i < count; i++) {
    const at = bandOf(words, i, band) + 1;
    starts[at] = (starts[at] as number) + 1;
  }
  for (let v = 0; v < BAND_VALUES; v++) starts[v + 1] = (starts[v + 1] as number) + (starts[v] as number);
  const next = starts.slice();
  const items = new Uint32Array(count);
  for (let i = 0; i < count; i++) {
    const value = bandOf(words, i, band);
    items[next[value] as number] = i;
    next[value] = (next[value] as number) + 1;
  }
  return { starts, items };
}

function masksUpTo(bits: number): number[] {
  const masks: number[] = [];
  for (let mask = 0; mask < BAND_VALUES; mask++) if (popcount(mask) <= bits) masks.push(mask);
  return masks;
}

function popcount(word: number): number {
  let v = word - ((word >>> 1) & 0x55555555);
  v = (v & 0x33333333) + ((v >>> 2) & 0x33333333);
  return Math.imul((v + (v >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
