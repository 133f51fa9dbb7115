import { readFileSync } from 'node:fs';
import { mergeDeep, parseRunConfig, type RunConfig } from '../domain/config/run-config.ts';
import { PipelineError } from '../domain/errors.ts';
import { mustParse } from './start-run.ts';

/** What a run's input is made from: JSON, single fields, and the fields that have an option of their own. */
export interface InputSource {
  /** What the folder's plein-air.yaml says, under all else. */
  project?: Record<string, unknown> | null;
  /** JSON, or `@FILE`. */
  input?: string;
  /** `field=value`, each laid over those before it. */
  set?: string[];
  run?: string;
  profile?: string;
  namespace?: string;
  acceptDifference?: string[];
}

/** Input from options, refused with the workflow's own words before anything starts. */
export function readInput(
  type: string,
  options: InputSource,
  base: object = {},
): { input: Record<string, unknown>; parsed: RunConfig } {
  let input: unknown = mergeDeep(options.project ?? {}, base);
  if (options.input !== undefined) input = mergeDeep(input, readJson(options.input));
  for (const assignment of options.set ?? []) input = mergeDeep(input, assign(assignment));
  if (options.run !== undefined) input = mergeDeep(input, { run: options.run });
  if (options.profile !== undefined) input = mergeDeep(input, { profile: options.profile });
  if (options.namespace !== undefined) input = mergeDeep(input, { namespace: options.namespace });
  const accepted = options.acceptDifference ?? [];
  if (accepted.length > 0) input = mergeDeep(input, { checkpoints: { acceptDifferences: accepted } });
  return { parsed: mustParse(type, parseRunConfig(input)), input: input as Record<string, unknown> };
}

function readJson(text: string): unknown {
  const source = text.startsWith('@') ? text.slice(1) : null;
  try {
    return JSON.parse(source === null ? text : readFileSync(source, 'utf8'));
  } catch (error) {
    throw new PipelineError(
      'InvalidInput',
      `--input: expected JSON${source === null ? '' : ` in ${source}`}, got: ${error instanceof Error ? error.message : error}`,
    );
  }
}

function assign(assignment: string): unknown {
  const at = assignment.indexOf('=');
  if (at < 1) throw new PipelineError('InvalidInput', `--set: expected field=value, got "${assignment}"`);
  const text = assignment.slice(at + 1);
  let value: unknown = text;
  try {
    value = JSON.parse(text);
  } catch {
    // Not JSON: the text itself is the value.
  }
  return assignment
    .slice(0, at)
    .split('.')
    .reverse()
    .reduce((inner, key) => ({ [key]: inner }), value);
}

/** Workflow id of a run: its name, or one made from the time. */
export function named(
  input: Record<string, unknown>,
  prefix: string,
): { input: Record<string, unknown>; workflowId: string } {
  const given = input.run;
  const workflowId = typeof given === 'string' ? given : timestamped(prefix);
  return { workflowId, input: { ...input, run: workflowId } };
}

/** `demo-20261123-235959`: a name that sorts by time. */
export function timestamped(prefix: string, now = new Date()): string {
  const [day, time] = now.toISOString().slice(0, 19).replaceAll(/[-:]/g, '').split('T');
  return `${prefix}-${day}-${time}`;
}
