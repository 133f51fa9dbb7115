import { z } from 'zod';
import { mergeDeep, RunConfig } from '../../domain/config/run-config.ts';

/** A field of the configuration that a form can ask for: a single value. */
export interface FormField {
  /** Such as `training.rank`. */
  path: string;
  kind: 'text' | 'number' | 'choice';
  /** Of a choice; empty otherwise. */
  options: string[];
  /** Whether it may be left empty for `null`. */
  nullable: boolean;
}

/** What people touch, in the order of a form; every other field is folded away. */
export const TOUCHED = [
  ...[
    'model',
    'dataset.source',
    'dataset.style',
    'dataset.trigger',
    'dataset.resolution',
    'dataset.maxImages',
  ],
  ...['training.steps', 'training.learningRate', 'training.rank', 'training.alpha', 'training.batchSize'],
  ...['training.accumulation', 'training.optimizer', 'training.quantization', 'training.targets'],
  ...['training.sampleEvery', 'tuning.strategy', 'tuning.trials', 'gate.requireApproval', 'deployment.space'],
  ...['deployment.private', 'budget.gpuHours', 'budget.gpuHourPrice', 'priority'],
];

/** Asked for apart from the others, or not to be asked for. */
const APART = new Set(['run', 'profile', 'sabotage']);

interface Schema {
  type?: string;
  enum?: unknown[];
  anyOf?: Schema[];
  properties?: Record<string, Schema>;
}

/** Every field of the configuration with a single value, from the schema itself. */
export const FIELDS: readonly FormField[] = leaves(
  z.toJSONSchema(RunConfig, { io: 'input', unrepresentable: 'any', reused: 'inline' }) as Schema,
  '',
).filter(({ path }) => !APART.has(path));

function leaves(schema: Schema, path: string): FormField[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, property]) => {
    const at = path === '' ? name : `${path}.${name}`;
    if (property.properties !== undefined) return leaves(property, at);
    const field = fieldOf(property, at);
    return field === null ? [] : [field];
  });
}

function fieldOf(schema: Schema, path: string): FormField | null {
  if (schema.anyOf !== undefined) {
    const others = schema.anyOf.filter(({ type }) => type !== 'null');
    const [only] = others;
    const field = only === undefined || others.length > 1 ? null : fieldOf(only, path);
    return field === null ? null : { ...field, nullable: true };
  }
  const one = { path, options: [], nullable: false };
  if (schema.enum !== undefined) return { ...one, kind: 'choice', options: schema.enum.map(String) };
  if (schema.type === 'boolean') return { ...one, kind: 'choice', options: ['true', 'false'] };
  if (schema.type === 'number' || schema.type === 'integer') return { ...one, kind: 'number' };
  return schema.type === 'string' ? { ...one, kind: 'text' } : null;
}

/** A field's value in a configuration, as a form shows it. */
export function textAt(config: unknown, path: string): string {
  const value = path
    .split('.')
    .reduce<unknown>((inner, name) => (isObject(inner) ? inner[name] : undefined), config);
  return value === null || value === undefined ? '' : String(value);
}

/** The part of a run's input that a form asks for: every field whose text differs from the profile's own. */
export function inputOf(
  fields: Readonly<Record<string, string>>,
  defaults: unknown,
): Record<string, unknown> {
  let input: unknown = {};
  for (const field of FIELDS) {
    const text = fields[field.path];
    if (text === undefined || text.trim() === textAt(defaults, field.path)) continue;
    const nested = field.path
      .split('.')
      .reverse()
      .reduce<unknown>((inner, name) => ({ [name]: inner }), typedValue(field, text.trim()));
    input = mergeDeep(input, nested);
  }
  return input as Record<string, unknown>;
}

/** A text as the schema wants it; one that is no such thing stays a text, and the schema says what it expected. */
function typedValue({ kind, nullable, options }: FormField, text: string): unknown {
  if (text === '' && nullable) return null;
  if (kind === 'number') return text !== '' && Number.isFinite(Number(text)) ? Number(text) : text;
  if (kind === 'choice' && options.includes('true'))
    return text === 'true' ? true : text === 'false' ? false : text;
  return text;
}

/** What of an input no form field holds, such as lists: it is kept as it is. */
export function withoutFields(input: Record<string, unknown>): Record<string, unknown> {
  const held = new Set([...FIELDS.map(({ path }) => path), ...APART]);
  const rest = (value: Record<string, unknown>, path: string): Record<string, unknown> =>
    Object.fromEntries(
      Object.entries(value).flatMap(([name, inner]) => {
        const at = path === '' ? name : `${path}.${name}`;
        if (held.has(at)) return [];
        if (!isObject(inner)) return [[name, inner]];
        const below = rest(inner, at);
        return Object.keys(below).length === 0 ? [] : [[name, below]];
      }),
    );
  return rest(input, '');
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
