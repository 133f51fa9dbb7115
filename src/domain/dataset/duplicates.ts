import type { PerceptualHash } from './measures.ts';

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

/** Every pair of hashes at most `limit` bits apart, exactly, in order; with `wholes`, one of the two is marked there. */
export function closePairs(
  hashes: readonly PerceptualHash[],
  limit: number,
  wholes?: Uint8Array,
): ClosePair[] {
  if (hashes.length > FEW) return indexedPairs(hashes, limit, wholes);
  return [...allPairs(hashes)].filter(
    ({ a, b, bits }) => bits <= limit && (wholes === undefined || wholes[a] === 1 || wholes[b] === 1),
  );
}

/**
 * The same by multi-index hashing (Norouzi et al., arXiv 1307.2982): hashes that differ in at most `limit` of 64 bits differ
 * in at most limit/4 bits of one of four 16-bit bands, so only hashes with close bands are compared; near-linear in the
 * number of hashes. With `wholes`, a pair counts only when one of the two is marked there.
 */
export function indexedPairs(
  hashes: readonly PerceptualHash[],
  limit: number,
  wholes?: Uint8Array,
): ClosePair[] {
  const words = splitHashes(hashes, wholes);
  const bandLimit = Math.floor(limit / BANDS);
  const masks = masksUpTo(bandLimit);
  const pairs: ClosePair[] = [];
  for (let band = 0; band < BANDS; band++) {
    const table = bandTable(words, band);
    const report = (i: number, j: number, bits: number): void => {
      const [one, other] = [table.items[i] as number, table.items[j] as number];
      if (firstCloseBand(words, one, other, bandLimit) === band)
        pairs.push({ a: Math.min(one, other), b: Math.max(one, other), bits });
    };
    for (let value = 0; value < BAND_VALUES; value++) {
      if (table.starts[value] === table.starts[value + 1]) continue;
      // Each two buckets meet once.
      for (const mask of masks) if ((value ^ mask) >= value) meet(table, value, value ^ mask, limit, report);
    }
  }
  return pairs.sort((x, y) => x.a - y.a || x.b - y.b);
}

/** Compares what is in two buckets, or each two of one; both lie in one piece, so that the processor reads ahead. */
function meet(
  { starts, sorted: { high, low, wholes } }: BandTable,
  value: number,
  other: number,
  limit: number,
  report: (i: number, j: number, bits: number) => void,
): void {
  const [end, last] = [starts[value + 1] as number, starts[other + 1] as number];
  for (let i = starts[value] as number; i < end; i++) {
    const [h, l, isWhole] = [high[i] as number, low[i] as number, wholes[i] as number];
    for (let j = other === value ? i + 1 : (starts[other] as number); j < last; j++) {
      if ((isWhole | (wholes[j] as number)) === 0) continue;
      const bits = popcount(h ^ (high[j] as number)) + popcount(l ^ (low[j] as number));
      if (bits <= limit) report(i, j, bits);
    }
  }
}

/**
 * Every pair of pictures at most `limit` bits apart, each picture given by the hashes of its views, the whole first: the
 * distance is the smallest between one picture whole and any view of the other.
 */
export function closePictures(views: readonly (readonly PerceptualHash[])[], limit: number): ClosePair[] {
  const owners = Uint32Array.from(views.flatMap((own, picture) => own.map(() => picture)));
  const wholes = Uint8Array.from(views.flatMap((own) => own.map((_, view) => (view === 0 ? 1 : 0))));
  const nearest = new Map<number, ClosePair>();
  for (const pair of closePairs(views.flat(), limit, wholes)) {
    const [a, b] = [owners[pair.a] as number, owners[pair.b] as number];
    if (a === b) continue;
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
  /** 1 for hashes of whole pictures. */
  wholes: Uint8Array;
}

function splitHashes(hashes: readonly PerceptualHash[], wholes?: Uint8Array): Words {
  const high = new Uint32Array(hashes.length);
  const low = new Uint32Array(hashes.length);
  hashes.forEach((hash, i) => {
    [high[i], low[i]] = halves(hash);
  });
  return { high, low, wholes: wholes ?? new Uint8Array(hashes.length).fill(1) };
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

/** Hashes by the value of one band: `items` tells which they are, `sorted` are they themselves in that order. */
interface BandTable {
  starts: Uint32Array;
  items: Uint32Array;
  sorted: Words;
}

function bandTable(words: Words, band: number): BandTable {
  const count = words.high.length;
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
  const sorted = {
    high: Uint32Array.from(items, (item) => words.high[item] as number),
    low: Uint32Array.from(items, (item) => words.low[item] as number),
    wholes: Uint8Array.from(items, (item) => words.wholes[item] as number),
  };
  return { starts, items, sorted };
}

function masksUpTo(bits: number): number[] {
  const masks: number[] = [];
  for (let mask = 0; mask < BAND_VALUES; mask++) if (popcount(mask) <= bits) masks.push(mask);
  return masks;
}

/** Bits that are set in a 32-bit word. */
export function popcount(word: number): number {
  let v = word - ((word >>> 1) & 0x55555555);
  v = (v & 0x33333333) + ((v >>> 2) & 0x33333333);
  return Math.imul((v + (v >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
