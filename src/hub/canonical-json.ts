import { createHash } from 'node:crypto';
import { Sha256 } from '../domain/refs.ts';

/** sha256 of a JSON value that does not depend on the order of its keys. */
export function fingerprintOf(value: unknown): Sha256 {
  return Sha256.parse(createHash('sha256').update(canonicalJson(value)).digest('hex'));
}

/** JSON with the keys of every object sorted. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
