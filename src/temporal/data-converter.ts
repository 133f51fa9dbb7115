import { fileURLToPath } from 'node:url';
import type { DataConverter } from '@temporalio/common';
import type { Environment } from '../config/env.ts';
import { EncryptionCodec, parseCodecKeys } from './payload-codec.ts';

/** The module that workers, clients and the workflow bundle load; of the same kind as this file, `.ts` or `.js`. */
const FAILURE_CONVERTER = fileURLToPath(
  new URL(`./failure-converter${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url),
);

/** How payloads look outside this process: encrypted where `PLEIN_AIR_CODEC_KEYS` is set, else Temporal's plain JSON. */
export function dataConverter(env: Environment): DataConverter | undefined {
  if (env.PLEIN_AIR_CODEC_KEYS === undefined) return undefined;
  const allowPlain = env.PLEIN_AIR_CODEC_PLAIN === 'allow';
  const codec = new EncryptionCodec(parseCodecKeys(env.PLEIN_AIR_CODEC_KEYS), { allowPlain });
  return { payloadCodecs: [codec], failureConverterPath: FAILURE_CONVERTER };
}
