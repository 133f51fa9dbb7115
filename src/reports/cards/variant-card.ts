import { stringify } from 'yaml';
import type { VariantRecord } from '../../domain/config/variants.ts';
import { type License, noticeMarkdown, noticeOf } from '../../domain/release/license.ts';
import { titleOf } from '../../domain/release/title.ts';
import type { RunContext } from '../../domain/run/context.ts';
import { code, escapeMarkdown, figure } from '../render/markdown.ts';
import { licenseFields } from './run-notices.ts';

/** What a variant's repository says of itself besides its weights. */
export interface VariantTexts {
  card: string;
  notice: string;
}

const WORDS: Record<VariantRecord['kind'], { what: string; needs: string; relation: string }> = {
  fused: { what: 'the adapter is part of the weights', needs: '', relation: 'finetune' },
  int8: {
    what: 'the adapter is part of the weights, and its blocks are in int8',
    needs: 'torchao',
    relation: 'quantized',
  },
  nf4: {
    what: 'the adapter is part of the weights, and its blocks are in NF4',
    needs: 'bitsandbytes',
    relation: 'quantized',
  },
};

/** Card and notice of a variant: how to use it, what it was made from, and that it was modified. */
export function variantTexts(record: VariantRecord, context: RunContext, license: License): VariantTexts {
  const { config, base, repos } = context;
  const { what, needs, relation } = WORDS[record.kind];
  const repo = `${repos.release}-${record.kind}`;
  const modification = `This model modifies ${base.repo}: the low-rank update of ${repos.release} was added to its transformer’s weights by Plein Air${needs === '' ? '' : `, which were then quantized with ${needs}`}. It is not the original model.`;
  const header = {
    base_model: base.repo,
    base_model_relation: relation,
    library_name: 'diffusers',
    pipeline_tag: 'text-to-image',
    ...licenseFields(license),
    instance_prompt: config.dataset.trigger,
    tags: ['text-to-image', 'diffusers', 'flux', 'plein-air'],
  };
  const sections = [
    `# ${escapeMarkdown(titleOf(config.model))}, ${record.kind}`,
    `A whole transformer for ${code(base.repo)}: ${what}. Its releases carry the tags of [${escapeMarkdown(repos.release)}](https://huggingface.co/${repos.release}), whose gate, figures and lineage count for it.`,
    `## Use it\n\n${usage(context, repo)}`,
    `Put ${code(config.dataset.trigger)} at the end of the prompt: it calls the style up.${needs === '' ? '' : ` Loading it needs the package ${code(needs)}.`}`,
    `## How near it is\n\nBefore it was uploaded, ${record.trial.pictures} of the judged pictures were painted with these files again: the farthest is ${figure(record.trial.distance)} away (mean difference of colors from 0 to 1, seen from afar).`,
    `## Where it comes from\n\nadapter sha256 ${code(record.adapterSha256)}, base ${code(base.repo)} at ${code(base.commit.slice(0, 12))}, run ${code(record.run)}. The same, with every file’s sha256: ${code('variant.json')}.`,
    `## License\n\n${noticeMarkdown(license, base.repo, modification)}`,
  ];
  return {
    card: `---\n${stringify(header, { lineWidth: 0 })}---\n\n${sections.join('\n\n')}\n`,
    notice: `${noticeOf(license, base.repo, modification)}\n`,
  };
}

function usage({ base, config }: RunContext, repo: string): string {
  return [
    '```python',
    'import torch',
    'from diffusers import FluxPipeline, FluxTransformer2DModel',
    '',
    'release = "v1"  # a tag of this repository: its newest commit may be a candidate that was never released',
    `transformer = FluxTransformer2DModel.from_pretrained("${repo}", revision=release, subfolder="transformer", torch_dtype=torch.bfloat16)`,
    `pipe = FluxPipeline.from_pretrained("${base.repo}", revision="${base.commit}", transformer=transformer, torch_dtype=torch.bfloat16).to("cuda")`,
    `picture = pipe("a river in spring, ${config.dataset.trigger.replaceAll('"', "'")}", num_inference_steps=${config.evaluation.inferenceSteps}, guidance_scale=${config.evaluation.guidance}).images[0]`,
    '```',
  ].join('\n');
}
