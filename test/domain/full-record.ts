import type { z } from 'zod';
import { parseRunConfig, RunConfig } from '../../src/domain/config/run-config.ts';
import { CommitSha, RepoId, RunName, Sha256 } from '../../src/domain/refs.ts';
import { ReleaseTag } from '../../src/domain/release/release.ts';

/** Values of schemas whose strings have a form that cannot be guessed. */
const GIVEN = new Map<unknown, unknown>([
  [RepoId, 'team/painter'],
  [CommitSha, 'c'.repeat(40)],
  [Sha256, 'a'.repeat(64)],
  [RunName, 'full'],
  [ReleaseTag, 'v1'],
]);

/**
 * A value of a schema with every optional and nullable field set, made from the schema itself: a field that is added
 * tomorrow is in it.
 */
export function fullValue<S extends z.ZodType>(schema: S): z.output<S> {
  return schema.parse(make(schema)) as z.output<S>;
}

/** What `known` has, completed by a full value of the schema: no field is absent or null but those of `empty`. */
export function completed<S extends z.ZodType>(schema: S, known: object, empty: string[] = []): z.output<S> {
  const merged = complete(fullValue(schema), known) as Record<string, unknown>;
  for (const field of empty) merged[field] = null;
  return schema.parse(merged) as z.output<S>;
}

function complete(full: unknown, known: unknown): unknown {
  if (known === null || known === undefined) return full;
  if (typeof known !== 'object' || Array.isArray(known) || typeof full !== 'object' || full === null)
    return known;
  const keys = new Set([...Object.keys(full), ...Object.keys(known)]);
  const at = (value: object, key: string) => (value as Record<string, unknown>)[key];
  return Object.fromEntries([...keys].map((key) => [key, complete(at(full, key), at(known, key))]));
}

function make(schema: z.ZodType): unknown {
  if (GIVEN.has(schema)) return GIVEN.get(schema);
  if ((schema as unknown) === RunConfig) return fullConfig();
  const { def } = schema._zod as unknown as { def: Definition };
  switch (def.type) {
    case 'object':
      return Object.fromEntries(Object.entries(def.shape).map(([key, inner]) => [key, make(inner)]));
    case 'optional':
    case 'nullable':
    case 'default':
    case 'prefault':
      return make(def.innerType);
    case 'pipe':
      return make(def.in);
    case 'array':
      return [make(def.element)];
    case 'record': {
      // A record over a list of names has all of them.
      const names =
        'entries' in def.keyType._zod.def
          ? Object.values(def.keyType._zod.def.entries as object)
          : [make(def.keyType)];
      return Object.fromEntries(names.map((name) => [String(name), make(def.valueType)]));
    }
    case 'enum':
      return Object.values(def.entries)[0];
    case 'literal':
      return def.values[0];
    case 'tuple':
      return def.items.map(make);
    case 'union':
      return def.options[0] && make(def.options[0]);
    case 'unknown':
    case 'string':
      return 'words';
    case 'number':
      return 1;
    case 'boolean':
      return true;
    default:
      throw new Error(`fullValue: no value for a schema of type ${(def as { type: string }).type}`);
  }
}

type Definition =
  | { type: 'object'; shape: Record<string, z.ZodType> }
  | { type: 'optional' | 'nullable' | 'default' | 'prefault'; innerType: z.ZodType }
  | { type: 'pipe'; in: z.ZodType }
  | { type: 'array'; element: z.ZodType }
  | { type: 'record'; keyType: z.ZodType; valueType: z.ZodType }
  | { type: 'enum'; entries: Record<string, unknown> }
  | { type: 'literal'; values: unknown[] }
  | { type: 'tuple'; items: z.ZodType[] }
  | { type: 'union'; options: z.ZodType[] }
  | { type: 'unknown' | 'string' | 'number' | 'boolean' };

/** A configuration in which no field is null: fields that are null by default are the ones that are forgotten. */
export function fullConfig(changes: Record<string, unknown> = {}): RunConfig {
  const parsed = parseRunConfig({
    run: 'full',
    namespace: 'team',
    model: 'painter',
    dataset: { captioner: { repo: 'team/captioner' } },
    ...changes,
  });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return parsed.value;
}
