import { createHash } from 'node:crypto';
import { streamSSE } from 'hono/streaming';
import type { StudioContext } from '../access/guard.ts';
import type { Fragments } from '../pages/layout.ts';
import type { Feed } from './feed.ts';

/** A fragment as it is sent, and what changes with it. */
interface Rendered {
  id: string;
  html: string;
  version: string;
}

/** Renders a feed's values: each once, however many pages it goes to. */
export function createRenderer<T extends object>(
  fragmentsOf: (value: T) => Fragments,
): (value: T) => Promise<Rendered[]> {
  const rendered = new WeakMap<T, Promise<Rendered[]>>();
  return (value) => {
    const known = rendered.get(value);
    if (known !== undefined) return known;
    const fresh = Promise.all(
      Object.entries(fragmentsOf(value)).map(async ([id, piece]) => {
        const html = String(await piece);
        return { id, html, version: createHash('sha256').update(html).digest('base64') };
      }),
    );
    rendered.set(value, fresh);
    return fresh;
  };
}

const PING_MS = 15_000;

/** Sends the fragments of a feed that changed, until the page is closed; the first time all that it may see. */
export function streamFragments<T extends object>(
  c: StudioContext,
  p: { feed: Feed<T>; render: (value: T) => Promise<Rendered[]>; isVisible: (id: string) => boolean },
): Response {
  // A proxy before Studio must not collect what is to arrive now.
  c.header('x-accel-buffering', 'no');
  return streamSSE(c, async (stream) => {
    const sent = new Map<string, string>();
    let queue: Promise<unknown> = Promise.resolve();
    let waiting = 0;
    const send = async (value: T) => {
      for (const { id, html, version } of await p.render(value)) {
        if (!p.isVisible(id) || sent.get(id) === version) continue;
        sent.set(id, version);
        await stream.writeSSE({ event: 'fragment', data: JSON.stringify({ id, html }) });
      }
    };
    const leave = p.feed.watch((value) => {
      // A page on a slow line misses values instead of collecting them here.
      if (waiting > 1) return;
      waiting += 1;
      queue = queue
        .then(() => send(value))
        .finally(() => {
          waiting -= 1;
        });
    });
    const ping = setInterval(() => void stream.write(': still here\n\n'), PING_MS);
    await new Promise<void>((resolve) => stream.onAbort(resolve));
    clearInterval(ping);
    leave();
  });
}
