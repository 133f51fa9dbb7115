import type { FileMetaData } from 'hyparquet';
import { parse } from 'yaml';
import { z } from 'zod';

/** Names of the ClassLabel columns by column and index; a column that is missing here holds its names itself. */
export type ClassLabels = Partial<Record<string, string[]>>;

const ParquetFeatures = z.object({
  info: z.object({
    features: z.record(z.string(), z.object({ names: z.array(z.string()).optional() }).loose()),
  }),
});

/** Class names from a parquet file's `huggingface` metadata; null when it has none. */
export function labelsFromParquet(metadata: FileMetaData): ClassLabels | null {
  const text = metadata.key_value_metadata?.find(({ key }) => key === 'huggingface')?.value;
  if (text === undefined) return null;
  const parsed = ParquetFeatures.safeParse(parseJson(text));
  if (!parsed.success) return null;
  return labelsWhere(Object.entries(parsed.data.info.features).map(([column, { names }]) => [column, names]));
}

const CardFeature = z.object({
  name: z.string(),
  dtype: z
    .union([
      z.string(),
      z.object({
        class_label: z.object({
          names: z.union([z.array(z.string()), z.record(z.string(), z.string())]),
        }),
      }),
      z.looseObject({}),
    ])
    .optional(),
});
const CardInfo = z.object({ features: z.array(CardFeature) });
const Card = z.object({ dataset_info: z.union([CardInfo, z.array(CardInfo)]) });

/** Class names from a dataset card's `dataset_info`; null when it says nothing about them. */
export function labelsFromCard(card: string): ClassLabels | null {
  const front = /^---\r?\n([\s\S]*?)\r?\n---/.exec(card)?.[1];
  if (front === undefined) return null;
  const parsed = Card.safeParse(parseYaml(front));
  if (!parsed.success) return null;
  const info = parsed.data.dataset_info;
  const features = Array.isArray(info) ? info.flatMap((i) => i.features) : info.features;
  return labelsWhere(
    features.map(({ name, dtype }) => {
      if (typeof dtype !== 'object' || !('class_label' in dtype)) return [name, undefined];
      const { names } = dtype.class_label as { names: string[] | Record<string, string> };
      return [name, Array.isArray(names) ? names : namesByIndex(names)];
    }),
  );
}

function namesByIndex(names: Record<string, string>): string[] {
  const list: string[] = [];
  for (const [index, name] of Object.entries(names)) list[Number(index)] = name;
  return list;
}

function labelsWhere(columns: (readonly [string, string[] | undefined])[]): ClassLabels | null {
  const named = columns.filter((column): column is [string, string[]] => column[1] !== undefined);
  return named.length === 0 ? null : Object.fromEntries(named);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function parseYaml(text: string): unknown {
  try {
    return parse(text);
  } catch {
    return null;
  }
}
