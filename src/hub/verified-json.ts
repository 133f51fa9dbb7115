import type { z } from 'zod';
import { PipelineError } from '../domain/errors.ts';
import type { FileRef } from '../domain/refs.ts';
import { sha256Of } from './hashing.ts';
import type { Hub } from './hub.ts';

/** Bytes of a referenced file, whose sha256 is the one that the reference promises; else `Corrupt`. */
export async function readVerifiedBytes(hub: Hub, ref: FileRef): Promise<Buffer> {
  const where = `${ref.type} ${ref.repo} ${ref.path} at ${ref.commit}`;
  const bytes = await hub.read({ type: ref.type, repo: ref.repo }, ref.commit, ref.path);
  if (bytes === null) throw new PipelineError('Corrupt', `expected the file ${where}, got none`);
  const sha256 = sha256Of(bytes);
  if (sha256 !== ref.sha256)
    throw new PipelineError('Corrupt', `expected sha256 ${ref.sha256} in ${where}, got ${sha256}`);
  return bytes;
}

/** A referenced JSON file, verified and parsed; what does not match the schema is `Corrupt`. */
export async function readVerified<S extends z.ZodType>(
  hub: Hub,
  ref: FileRef,
  schema: S,
): Promise<z.output<S>> {
  return parseJson(await readVerifiedBytes(hub, ref), schema, `${ref.repo} ${ref.path} at ${ref.commit}`);
}

/** Parses JSON bytes with a schema; the error names every field that is off and where the bytes came from. */
export function parseJson<S extends z.ZodType>(
  bytes: Buffer | string,
  schema: S,
  where: string,
): z.output<S> {
  let raw: unknown;
  try {
    raw = JSON.parse(bytes.toString());
  } catch (cause) {
    throw new PipelineError('Corrupt', `expected JSON in ${where}, got something else`, { cause });
  }
  const parsed = schema.safeParse(raw, { reportInput: true });
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(
    (issue) => `${issue.path.join('.') || '(whole)'}: ${issue.message}`,
  );
  throw new PipelineError('Corrupt', `expected ${where} to fit its schema, got ${problems.join('; ')}`);
}

/** JSON bytes as they are, for a schema that decides itself what is wrong with them; null: not JSON. */
export function jsonOrNull(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return null;
  }
}
