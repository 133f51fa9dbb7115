/**
 * Rank of a text under a seed, 0 to 2^53 − 1: an order that looks random, never depends on what else is sorted, and is
 * the same on every machine. Two 32-bit lanes of FNV-1a with murmur3's finalizer; not for secrets.
 */
export function rankOf(seed: number, ...parts: readonly string[]): number {
  const text = `${seed}\u0000${parts.join('\u0000')}`;
  let low = 0x811c9dc5;
  let high = 0x9e3779b9;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    low = Math.imul(low ^ code, 0x01000193);
    high = Math.imul(high ^ code, 0x85ebca6b) + (low >>> 15);
  }
  return (avalanche(high) >>> 11) * 2 ** 32 + avalanche(low ^ high);
}

/** Compares by rank, then by text, so that equal ranks cannot leave the order to the engine. */
export function byRank<T>(seed: number, purpose: string, keyOf: (item: T) => string): (a: T, b: T) => number {
  const ranks = new Map<string, number>();
  const rank = (key: string): number => {
    const known = ranks.get(key);
    if (known !== undefined) return known;
    const fresh = rankOf(seed, purpose, key);
    ranks.set(key, fresh);
    return fresh;
  };
  return (a, b) => {
    const [keyA, keyB] = [keyOf(a), keyOf(b)];
    return rank(keyA) - rank(keyB) || compareText(keyA, keyB);
  };
}

/** Orders texts by code unit: the same everywhere, unlike a locale's order. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function avalanche(value: number): number {
  let h = value ^ (value >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
