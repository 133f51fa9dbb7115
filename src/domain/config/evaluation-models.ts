import { z } from 'zod';

/** A model repository, and after an @ a branch, tag or commit of it; default: main. */
export const ModelId = z
  .string()
  .regex(
    /^[\w.-]{1,96}\/[\w.-]{1,96}(?:@[\w./-]{1,96})?$/,
    'expected a model repository such as "facebook/dinov2-base", or "facebook/dinov2-base@main"',
  );
export type ModelId = z.infer<typeof ModelId>;

/** What a metric's model is for; each is loaded by a class of its own, from safetensors only. */
export const MODEL_ROLES = ['features', 'clip', 'style', 'copies', 'questions', 'preference'] as const;
export type ModelRole = (typeof MODEL_ROLES)[number];

/** Which models the metrics are computed with, by repository. */
export const EvaluationModels = z
  .strictObject({
    /** DINOv2 (`Dinov2Model`) for the set metrics, where `evaluation.encoder` is `dinov2-base`. */
    features: ModelId.nullable().default(null),
    /** CLIP (`CLIPModel`) for CLIPScore and the Gaussian MMD. */
    clip: ModelId.nullable().default(null),
    /** CSD (arXiv 2404.01292) for the style metrics: `model.safetensors` in the names of its own release. */
    style: ModelId.nullable().default(null),
    /** Copying: DINOv2 (`Dinov2Model`), or SSCD (arXiv 2202.10261), its torchvision weights as safetensors; null: thumbnails. */
    copies: ModelId.nullable().default(null),
    /** A LLaVA (`LlavaForConditionalGeneration`) for VQAScore; it needs 15 GB of its own. */
    questions: ModelId.nullable().default(null),
    /** PickScore (`CLIPModel`) as a guardrail. */
    preference: ModelId.nullable().default(null),
  })
  .prefault({});
export type EvaluationModels = z.infer<typeof EvaluationModels>;

/** Repository and revision of a model id. */
export function splitModelId(id: ModelId): { repo: string; revision: string } {
  const at = id.indexOf('@');
  return at < 0 ? { repo: id, revision: 'main' } : { repo: id.slice(0, at), revision: id.slice(at + 1) };
}
