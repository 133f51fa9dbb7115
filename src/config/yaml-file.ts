import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { PipelineError } from '../domain/errors.ts';

/** Larger than any sensible file, small enough to be read by anybody; comments count. */
const MAX_BYTES = 256 * 1024;

/**
 * What a YAML file that people write holds, unchecked; null where it is empty.
 *
 * @throws {PipelineError} InvalidInput, with the file and the parser's place, where it is absent, too large or not YAML.
 */
export function readYamlFile(path: string): unknown {
  try {
    const text = readFileSync(path, 'utf8');
    if (text.length > MAX_BYTES) throw new Error(`expected at most ${MAX_BYTES} bytes, got ${text.length}`);
    return parse(text, { maxAliasCount: 20 });
  } catch (error) {
    throw new PipelineError('InvalidInput', `${path} cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
}
