/** Most bytes of text that are worked on at once; a longer item waits until it is alone. */
const IN_FLIGHT_BYTES = 8 * 1024 * 1024;

/**
 * Maps a stream with up to `atOnce` items in flight and yields the results in the stream's order: storing many small files
 * is waiting for the disk, which takes several at once nearly as fast as one.
 */
export async function* mapInOrder<T extends { length: number }, R>(
  items: AsyncIterable<T>,
  atOnce: number,
  map: (item: T, index: number) => Promise<R>,
): AsyncGenerator<R> {
  const pending: { result: Promise<R>; size: number }[] = [];
  let held = 0;
  let index = 0;
  try {
    for await (const item of items) {
      while (pending.length > 0 && (pending.length >= atOnce || held + item.length > IN_FLIGHT_BYTES)) {
        const oldest = pending.shift() as (typeof pending)[number];
        held -= oldest.size;
        yield await oldest.result;
      }
      const result = map(item, index);
      // Awaited in its turn; until then a failure must not count as one that nobody sees.
      result.catch(() => undefined);
      pending.push({ result, size: item.length });
      held += item.length;
      index += 1;
    }
    for (let next = pending.shift(); next; next = pending.shift()) yield await next.result;
  } finally {
    await Promise.allSettled(pending.map(({ result }) => result));
  }
}
