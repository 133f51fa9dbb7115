import { z } from 'zod';
import { PipelineError } from '../domain/errors.ts';

/**
 * Layers of FLUX's original code by block. ComfyUI and sd-scripts both name a layer's LoRA `lora_unet_` and the layer's own
 * path with underscores for dots: whatever else a file holds, they do not find.
 */
const LAYERS = {
  double_blocks: ['img_attn.qkv', 'img_attn.proj', 'img_mlp.0', 'img_mlp.2', 'img_mod.lin'].flatMap(
    (layer) => [layer, layer.replace('img_', 'txt_')],
  ),
  single_blocks: ['linear1', 'linear2', 'modulation.lin'],
};

const STEMS = new RegExp(
  `^lora_unet_(?:${Object.entries(LAYERS)
    .map(([block, layers]) => `${block}_\\d+_(?:${layers.map((l) => l.replaceAll('.', '_')).join('|')})`)
    .join('|')})$`,
);
const SIDES = ['lora_down.weight', 'lora_up.weight', 'alpha'];

const Header = z.record(z.string(), z.unknown());

/** Every name that ComfyUI or sd-scripts would pass over, in words; an empty list: they read the whole file. */
export function kohyaProblems(names: readonly string[]): string[] {
  const stems = new Map<string, string[]>();
  for (const name of names) {
    const dot = name.indexOf('.');
    const [stem, side] = dot < 0 ? [name, ''] : [name.slice(0, dot), name.slice(dot + 1)];
    stems.set(stem, [...(stems.get(stem) ?? []), side]);
  }
  return [...stems].flatMap(([stem, sides]) => {
    if (!STEMS.test(stem)) return [`${stem} is no layer of FLUX`];
    const missing = SIDES.filter((side) => !sides.includes(side));
    const extra = sides.filter((side) => !SIDES.includes(side));
    return [...missing.map((s) => `${stem} lacks ${s}`), ...extra.map((s) => `${stem} has an unknown ${s}`)];
  });
}

/** Names of a safetensors file's tensors, from its header. */
export function tensorNames(bytes: Buffer): string[] {
  const length = bytes.length < 8 ? 0 : Number(bytes.readBigUInt64LE());
  const header = length > 0 && length <= bytes.length - 8 ? bytes.subarray(8, 8 + length).toString() : '';
  const parsed = Header.safeParse(header === '' ? null : JSON.parse(header));
  if (!parsed.success) throw new PipelineError('Corrupt', 'Expected a safetensors file, got something else');
  return Object.keys(parsed.data).filter((name) => name !== '__metadata__');
}

/** Throws `GateRefused` for an export that the programs it is for would not read whole. */
export function refuseUnreadableExport(path: string, bytes: Buffer): void {
  const names = tensorNames(bytes);
  const problems = names.length === 0 ? ['it holds no tensors'] : kohyaProblems(names);
  if (problems.length === 0) return;
  throw new PipelineError(
    'GateRefused',
    `Expected ${path} with the names that ComfyUI and sd-scripts look for, got ${problems.slice(0, 5).join('; ')}${problems.length > 5 ? `; and ${problems.length - 5} more` : ''}: nothing is released`,
  );
}
