import { z } from 'zod';
import type { FileRef } from '../domain/refs.ts';
import { Sha256 } from '../domain/refs.ts';
import type { Hub } from '../hub/hub.ts';
import { readVerified } from '../hub/verified-json.ts';

const StoredVerdict = z.looseObject({
  verdict: z.enum(['PASS', 'FAIL', 'INCONCLUSIVE']),
  adapterSha256: Sha256,
});

/** The stored verdict behind a reference, its sha256 verified: what deployment believes instead of its caller. */
export async function readApprovedVerdict(
  hub: Hub,
  ref: FileRef,
): Promise<{ verdict: 'PASS' | 'FAIL' | 'INCONCLUSIVE'; adapterSha256: Sha256 }> {
  return readVerified(hub, ref, StoredVerdict);
}
