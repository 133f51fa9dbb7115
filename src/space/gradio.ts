import { Client } from '@gradio/client';
import { z } from 'zod';
import { ServedBySpace } from '../domain/release/space-trial.ts';

/** The two calls of a Space's API that a deployment makes. */
export interface SpaceApp {
  served(limitMs: number): Promise<ServedBySpace>;
  /** The same prompt and seed by the base and with the style, as PNG. */
  paint(
    p: { prompt: string; seed: number; strength: number },
    limitMs: number,
  ): Promise<{ base: Buffer; painted: Buffer }>;
  close(): void;
}

/** The part of Gradio's client that is used here; its own types do not resolve under Node's rules for modules. */
interface GradioClient {
  predict(endpoint: string, payload: unknown[]): Promise<{ data: unknown }>;
  close(): void;
}

/** Largest picture that is taken from a Space, in bytes. */
const LARGEST_PICTURE = 64 * 1024 * 1024;

const Picture = z.object({ url: z.url() });
const Painted = z.tuple([Picture, Picture], z.unknown());
const Served = z.tuple([ServedBySpace], z.unknown());

/** Connects to a running Space through Gradio's own client, as any user's program would. */
export async function connectSpaceApp(url: string, token: string | null, limitMs: number): Promise<SpaceApp> {
  const options = token === null ? {} : { token };
  const client: GradioClient = await within(limitMs, 'a Gradio API', Client.connect(url, options));
  const call = async (name: string, payload: unknown[], ms: number) =>
    (await within(ms, `an answer of ${name}`, client.predict(name, payload))).data;
  const download = async (address: string, ms: number) => {
    // The Space says where its picture is: the token, and this machine's network, are not for any address that it names.
    if (new URL(address).origin !== new URL(url).origin)
      throw new Error(
        `expected a picture of the Space at ${new URL(url).origin}, got one at ${new URL(address).origin}`,
      );
    const response = await fetch(address, {
      signal: AbortSignal.timeout(ms),
      redirect: 'error',
      headers: token === null ? {} : { authorization: `Bearer ${token}` },
    });
    if (!response.ok) throw new Error(`expected a picture at ${address}, got HTTP ${response.status}`);
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      size += chunk.byteLength;
      if (size > LARGEST_PICTURE)
        throw new Error(`expected a picture of at most ${LARGEST_PICTURE} bytes, got more`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  };
  return {
    served: async (ms) => Served.parse(await call('/served', [], ms))[0],
    paint: async ({ prompt, seed, strength }, ms) => {
      const [base, painted] = Painted.parse(await call('/paint', [prompt, seed, strength], ms));
      return { base: await download(base.url, ms), painted: await download(painted.url, ms) };
    },
    close: () => client.close(),
  };
}

/** Gradio's client waits for ever: nothing that a Space does may hold a deployment up for longer than this. */
async function within<T>(ms: number, what: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`expected ${what} within ${ms / 1000} s, got none`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } catch (error) {
    throw error instanceof Error ? error : new Error(describe(error));
  } finally {
    clearTimeout(timer);
  }
}

/** Gradio rejects with plain objects such as `{message, stage: 'error'}`. */
function describe(error: unknown): string {
  const parsed = z.object({ message: z.string() }).safeParse(error);
  return parsed.success ? parsed.data.message : JSON.stringify(error);
}
