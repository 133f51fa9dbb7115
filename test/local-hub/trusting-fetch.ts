import { Agent, request as send } from 'node:https';
import { Readable } from 'node:stream';

/**
 * `fetch` over HTTPS that trusts one more authority. Node takes such authorities from its environment at its start
 * (`NODE_EXTRA_CA_CERTS`), which is too late for a test; redirects are not followed.
 */
export function fetchTrusting(ca: string): typeof fetch {
  const agent = new Agent({ ca, keepAlive: true });
  return async (input, init) => {
    const asked = new Request(input, init);
    const body = Buffer.from(await asked.arrayBuffer());
    return new Promise<Response>((resolve, reject) => {
      const headers = { ...Object.fromEntries(asked.headers), 'content-length': String(body.length) };
      const request = send(asked.url, { method: asked.method, headers, agent, signal: asked.signal });
      request.once('error', reject).once('response', (answer) => {
        const status = answer.statusCode ?? 0;
        const empty = asked.method === 'HEAD' || [204, 304].includes(status);
        if (empty) answer.resume();
        const pairs = Object.entries(answer.headersDistinct).flatMap(([name, values]) =>
          (values ?? []).map((value): [string, string] => [name, value]),
        );
        const stream = empty ? null : (Readable.toWeb(answer) as ReadableStream<Uint8Array>);
        resolve(new Response(stream, { status, headers: pairs }));
      });
      request.end(body);
    });
  };
}
