import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { PipelineError } from '../domain/errors.ts';
import { SourcesFile } from '../domain/gpu-source/sources-file.ts';

/** Larger than any sensible file, small enough to be read by anybody. */
const MAX_BYTES = 256 * 1024;

/** The operator's file of GPU sources, checked; every problem is named with its field. */
export function readSourcesFile(path: string): SourcesFile {
  let value: unknown;
  try {
    const text = readFileSync(path, 'utf8');
    if (text.length > MAX_BYTES) throw new Error(`expected at most ${MAX_BYTES} bytes, got ${text.length}`);
    value = parse(text, { maxAliasCount: 20 });
  } catch (error) {
    throw new PipelineError('InvalidInput', `${path} cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
  const parsed = SourcesFile.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(
    (issue) => `  ${issue.path.join('.') || '(file)'}: ${issue.message}`,
  );
  throw new PipelineError('InvalidInput', `${path} is no file of GPU sources:\n${problems.join('\n')}`);
}
