import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readYamlFile } from '../config/yaml-file.ts';
import { PipelineError } from '../domain/errors.ts';

/** The file of a folder that says what its runs have in common; `--input`, `--set` and options are laid over it. */
export const PROJECT_FILE = 'plein-air.yaml';

/** The input that `plein-air.yaml` of a folder gives; null where there is none. Fields are checked with the whole input. */
export function projectInput(folder = process.cwd()): Record<string, unknown> | null {
  const path = join(folder, PROJECT_FILE);
  if (!existsSync(path)) return null;
  const value = readYamlFile(path) ?? {};
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new PipelineError(
      'InvalidInput',
      `${path}: expected fields such as "profile: t4", got ${kindOf(value)}`,
    );
  return value as Record<string, unknown>;
}

const kindOf = (value: unknown) =>
  Array.isArray(value) ? 'a list' : `the ${typeof value} ${String(value).slice(0, 60)}`;
