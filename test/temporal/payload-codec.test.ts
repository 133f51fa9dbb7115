import { randomBytes } from 'node:crypto';
import { request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import fc from 'fast-check';
import { createCodecServer } from '../../src/temporal/codec-server.ts';
import { EncryptionCodec, parseCodecKeys } from '../../src/temporal/payload-codec.ts';

const entry = (id: string) => `${id}:${randomBytes(32).toString('base64')}`;
const [older, newer] = [entry('2026-10'), entry('2026-11')];
const codec = (keys: string) => new EncryptionCodec(parseCodecKeys(keys));
const payload = (value: unknown) => defaultPayloadConverter.toPayload(value) as Payload;
const value = (p: Payload | undefined) => defaultPayloadConverter.fromPayload(p as Payload);

describe('the payload codec', () => {
  it('gives back what it was given, and shows nothing of it outside', async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), async (json) => {
        const [sealed] = await codec(newer).encode([payload({ prompt: 'a pond at dawn', json })]);
        expect(Buffer.from(sealed?.data ?? []).includes('a pond at dawn')).toBe(false);
        const [opened] = await codec(newer).decode([sealed as Payload]);
        expect(value(opened)).toEqual({ prompt: 'a pond at dawn', json: JSON.parse(JSON.stringify(json)) });
      }),
    );
  });

  it('reads what an older key encrypted, and encrypts with the newest', async () => {
    const [old] = await codec(older).encode([payload('before the change')]);
    const rotated = codec(`${newer},${older}`);
    expect(value((await rotated.decode([old as Payload]))[0])).toBe('before the change');
    const [fresh] = await rotated.encode([payload('after')]);
    expect(value((await codec(newer).decode([fresh as Payload]))[0])).toBe('after');
  });

  it('names the key that is missing', async () => {
    const sealed = await codec(older).encode([payload(1)]);
    await expect(codec(newer).decode(sealed)).rejects.toThrow(/2026-10.*PLEIN_AIR_CODEC_KEYS/);
  });

  it('refuses a byte that was changed', async () => {
    const [sealed] = await codec(newer).encode([payload('whole')]);
    const data = Buffer.from(sealed?.data ?? []);
    data.writeUInt8((data.readUInt8(data.length - 1) ^ 1) & 255, data.length - 1);
    await expect(codec(newer).decode([{ ...sealed, data }])).rejects.toThrow();
  });

  it('refuses payloads that were never encrypted, unless they are allowed for a while', async () => {
    await expect(codec(newer).decode([payload('plain')])).rejects.toThrow(/PLEIN_AIR_CODEC_PLAIN=allow/);
    const lenient = new EncryptionCodec(parseCodecKeys(newer), { allowPlain: true });
    expect(value((await lenient.decode([payload('plain')]))[0])).toBe('plain');
  });

  it.each([['short:AAAA'], ['AAAA'], [':AAAA']])('refuses the key %s with what was expected', (text) => {
    expect(() => parseCodecKeys(text)).toThrow(/32 bytes/);
  });
});

/** Status of a question under another name of the server. */
function statusAs(host: string, url: string, authorization?: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { host, ...(authorization === undefined ? {} : { authorization }) };
    request(`${url}/decode`, { method: 'POST', headers }, (answer) =>
      resolve(answer.resume().statusCode ?? 0),
    )
      .on('error', reject)
      .end('{"payloads":[]}');
  });
}

describe('the codec server', () => {
  it('with a token decrypts for who shows it, under any name', async () => {
    const server = createCodecServer(codec(newer), [], 'a long secret');
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    expect(await statusAs('codec.example', url)).toBe(401);
    expect(await statusAs('codec.example', url, 'Bearer another')).toBe(401);
    expect(await statusAs('codec.example', url, 'Bearer a long secret')).toBe(200);
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  it('decrypts for the UI’s own origin, and for no other page', async () => {
    const origin = 'http://127.0.0.1:8233';
    const server = createCodecServer(codec(newer), [origin]);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const wire = (p: Payload) => ({
      metadata: Object.fromEntries(
        Object.entries(p.metadata ?? {}).map(([k, v]) => [k, Buffer.from(v).toString('base64')]),
      ),
      data: Buffer.from(p.data ?? []).toString('base64'),
    });
    const sealed = await codec(newer).encode([payload('for the UI')]);
    const ask = (from: string) =>
      fetch(`${url}/decode`, {
        method: 'POST',
        headers: { origin: from, 'content-type': 'application/json' },
        body: JSON.stringify({ payloads: sealed.map(wire) }),
      });
    try {
      const answer = await ask(origin);
      expect(answer.headers.get('access-control-allow-origin')).toBe(origin);
      const { payloads } = (await answer.json()) as { payloads: { data: string }[] };
      expect(Buffer.from(payloads[0]?.data ?? '', 'base64').toString()).toBe('"for the UI"');
      expect((await ask('http://evil.example')).status).toBe(403);
      // `fetch` does not let one choose the name; after DNS rebinding a page does.
      expect(await statusAs('evil.example', url)).toBe(421);
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });
});
