import { z } from 'zod';
import { CommitSha, RepoId, Sha256 } from '../domain/refs.ts';
import { DISCLOSURE, isFiltered, noticeMarkdown } from '../domain/release/license.ts';
import type { Provenance } from '../domain/release/provenance.ts';
import { type ReleaseSample, titleOf } from '../domain/release/title.ts';
import { ADAPTER_FILE } from '../domain/training/checkpoint.ts';

/** `config.json` of a Space: what its app serves, in the app's own upper-case names. */
export const SpaceConfig = z.strictObject({
  TITLE: z.string(),
  SUBTITLE: z.string(),
  MODEL_REPO: RepoId,
  /** Commit of the release's tag: never a branch, so that a Space cannot change under its users. */
  MODEL_REVISION: CommitSha,
  MODEL_TAG: z.string(),
  ADAPTER_SHA256: Sha256,
  WEIGHT_NAME: z.string(),
  BASE_REPO: RepoId,
  BASE_REVISION: CommitSha,
  TRIGGER: z.string(),
  /** Side of the pictures in pixels. */
  SIZE: z.int(),
  INFERENCE_STEPS: z.int(),
  GUIDANCE: z.number(),
  /** Prompts to start from. */
  PROMPTS: z.array(z.string()),
  /** Standard samples that lie beside the app. */
  SAMPLES: z.array(z.strictObject({ image: z.string(), prompt: z.string() })),
  /** Whether images pass a content filter before they are shown. */
  FILTER: z.boolean(),
  /** That images are made with AI: on the page and in each image's metadata. */
  DISCLOSURE: z.string().min(1),
  NOTICE: z.string(),
});
export type SpaceConfig = z.infer<typeof SpaceConfig>;

/** The configuration under which a Space serves a release. */
export function spaceConfig(p: {
  provenance: Provenance;
  commit: CommitSha;
  samples: ReleaseSample[];
}): SpaceConfig {
  const { context } = p.provenance;
  const { config, base } = context;
  // The app adds the trigger by itself; people read and change what the picture shows.
  const samples = p.samples
    .slice(0, 8)
    .map((s) => ({ image: s.path, prompt: withoutTrigger(s.prompt, config.dataset.trigger) }));
  const notice = [
    `Serving [${context.repos.release}](https://huggingface.co/${context.repos.release}) ${p.provenance.tag}, commit \`${p.commit.slice(0, 12)}\`, on ${base.repo}.`,
    noticeMarkdown(p.provenance.license, base.repo),
  ];
  return {
    TITLE: titleOf(config.model),
    SUBTITLE: `One prompt, painted twice from the same seed: by the base model, and by a hand trained on ${config.dataset.style}.`,
    MODEL_REPO: context.repos.release,
    MODEL_REVISION: p.commit,
    MODEL_TAG: p.provenance.tag,
    ADAPTER_SHA256: p.provenance.adapter.sha256,
    WEIGHT_NAME: ADAPTER_FILE,
    BASE_REPO: base.repo,
    BASE_REVISION: base.commit,
    TRIGGER: config.dataset.trigger,
    SIZE: config.evaluation.size,
    INFERENCE_STEPS: config.evaluation.inferenceSteps,
    GUIDANCE: config.evaluation.guidance,
    PROMPTS: [...new Set(samples.map((s) => s.prompt))].slice(0, 6),
    SAMPLES: samples.map((s) => ({ image: s.image, prompt: s.prompt })),
    FILTER: isFiltered(p.provenance.license, config.deployment),
    DISCLOSURE,
    NOTICE: notice.filter((line) => line !== '').join('\n\n'),
  };
}

function withoutTrigger(prompt: string, trigger: string): string {
  return prompt.endsWith(trigger) ? prompt.slice(0, -trigger.length).replace(/[,\s]+$/, '') : prompt;
}
