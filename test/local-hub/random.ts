/** A seeded source of numbers: the same seed gives the same test. */
export interface Random {
  /** From 0 up to, but not including, `below`. */
  int(below: number): number;
  /** One of several. */
  pick<T>(from: readonly T[]): T;
  /** `size` bytes. */
  bytes(size: number): Buffer;
}

/** Makes a source from a seed (mulberry32). */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  return {
    int: (below) => next() % below,
    pick: (from) => from[next() % from.length] as (typeof from)[number],
    bytes: (size) => {
      const out = Buffer.alloc(Math.ceil(size / 4) * 4);
      for (let at = 0; at < size; at += 4) out.writeUInt32LE(next(), at);
      return out.subarray(0, size);
    },
  };
}
