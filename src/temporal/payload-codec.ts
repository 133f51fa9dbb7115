import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { Payload, PayloadCodec } from '@temporalio/common';
import proto from '@temporalio/proto';
import { PipelineError } from '../domain/errors.ts';

const ENCODING = 'binary/encrypted';
const IV_BYTES = 12;
const TAG_BYTES = 16;
const { Payload: PayloadMessage } = proto.temporal.api.common.v1;

/** A key by its name; the name travels with every payload, so that keys can be rotated. */
export interface CodecKey {
  id: string;
  key: Buffer;
}

/** Reads `PLEIN_AIR_CODEC_KEYS`: `id:base64` separated by commas; the first encrypts, all decrypt. */
export function parseCodecKeys(text: string): CodecKey[] {
  return text.split(',').map((entry, index) => {
    const at = entry.indexOf(':');
    const id = entry.slice(0, at).trim();
    const key = Buffer.from(entry.slice(at + 1).trim(), 'base64');
    if (at < 1 || key.length !== 32)
      throw new PipelineError(
        'InvalidInput',
        `PLEIN_AIR_CODEC_KEYS: expected NAME:KEY with a key of 32 bytes in base64, got ${at < 1 ? 'no name' : `${key.length} bytes`} in entry ${index + 1}: "plein-air codec key" makes one`,
      );
    return { id, key };
  });
}

/**
 * Encrypts every payload with AES-256-GCM before it leaves the process, and refuses what was never encrypted: whoever can
 * write to Temporal could otherwise start and steer runs without a key. `allowPlain` lets it pass, for the time of a change
 * and for showing older histories.
 */
export class EncryptionCodec implements PayloadCodec {
  private readonly keys: Map<string, Buffer>;
  private readonly newest: CodecKey;

  private readonly allowPlain: boolean;

  constructor(keys: CodecKey[], { allowPlain = false } = {}) {
    this.allowPlain = allowPlain;
    const newest = keys[0];
    if (newest === undefined) throw new TypeError('expected at least one key, got none');
    this.newest = newest;
    this.keys = new Map(keys.map(({ id, key }) => [id, key]));
  }

  async encode(payloads: Payload[]): Promise<Payload[]> {
    return payloads.map((payload) => {
      const { id, key } = this.newest;
      const iv = randomBytes(IV_BYTES);
      const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(id));
      const plain = PayloadMessage.encode(payload).finish();
      const sealed = Buffer.concat([cipher.update(plain), cipher.final()]);
      return {
        metadata: { encoding: Buffer.from(ENCODING), 'encryption-key-id': Buffer.from(id) },
        data: Buffer.concat([iv, cipher.getAuthTag(), sealed]),
      };
    });
  }

  async decode(payloads: Payload[]): Promise<Payload[]> {
    return payloads.map((payload) => {
      const { metadata, data } = payload;
      if (text(metadata?.encoding) !== ENCODING || data == null) {
        if (this.allowPlain) return payload;
        throw new PipelineError(
          'InvalidInput',
          `expected an encrypted payload, got ${text(metadata?.encoding) || 'one without an encoding'}: whoever sent it has no key. Where runs began before PLEIN_AIR_CODEC_KEYS was set, set PLEIN_AIR_CODEC_PLAIN=allow until they have ended`,
        );
      }
      const id = text(metadata?.['encryption-key-id']);
      const key = this.keys.get(id);
      if (key === undefined)
        throw new PipelineError(
          'InvalidInput',
          `expected the key "${id}" that a payload was encrypted with, got ${[...this.keys.keys()].join(', ')}: add it behind the others in PLEIN_AIR_CODEC_KEYS`,
        );
      const bytes = Buffer.from(data);
      const open = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, IV_BYTES))
        .setAAD(Buffer.from(id))
        .setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
      const plain = Buffer.concat([open.update(bytes.subarray(IV_BYTES + TAG_BYTES)), open.final()]);
      return PayloadMessage.decode(plain);
    });
  }
}

function text(bytes: Uint8Array | null | undefined): string {
  return bytes == null ? '' : Buffer.from(bytes).toString('utf8');
}
