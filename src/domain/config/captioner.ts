import { z } from 'zod';
import { RepoId } from '../refs.ts';

/** Which model writes the captions, and how much it may write. */
export const CaptionerConfig = z.strictObject({
  /** Model repository: a BLIP (`BlipForConditionalGeneration`), or a model that chats about pictures; safetensors only. */
  repo: RepoId,
  /** Branch, tag or commit; resolved to a commit once and recorded. */
  revision: z.string().min(1).default('main'),
  /** Most tokens of its own that the model writes about a picture. */
  maxTokens: z.int().min(8).max(256).default(60),
  /** Pictures that the model is shown at once; part of the dataset's key, for it can change a word here and there. */
  batchSize: z.int().min(1).max(64).default(4),
});
export type CaptionerConfig = z.infer<typeof CaptionerConfig>;

/** What a model that chats is asked about every picture; a BLIP takes no question. */
export const CAPTION_PROMPT =
  'Describe what can be seen in this picture in one plain sentence of at most 35 words: the people and what they do, ' +
  'objects, animals, the place, light, time of day, weather and season, and where things are in the frame. ' +
  'Do not say that it is a painting or a picture. Do not mention style, technique, medium, brushwork, the painter, a title or feelings. ' +
  'Begin with the main thing that can be seen.';
