import type { z } from 'zod';
import type { RunConfig } from '../config/run-config.ts';
import type { SampleRequest } from '../trainer-protocol.ts';
import { CHOICE_STANDARD, CHOICE_TINY } from './prompts-choice.ts';
import { SEALED_STANDARD, SEALED_TINY } from './prompts-sealed.ts';
import { type PromptSection, STANDARD_V1, TINY_V1 } from './prompts-v1.ts';
import { STANDARD_V2, TINY_V2 } from './prompts-v2.ts';

/** One prompt of a standard set, before the trigger is put in. */
export interface StandardPrompt {
  /** Unique in the set; the cluster that every interval is drawn over. */
  id: string;
  /** Slice of the set, such as `landscape` or `adherence`. */
  slice: string;
  /** What is asked for; the trigger follows after a comma. */
  text: string;
  /** False: asked without the trigger, to see what the adapter does uncalled. */
  trigger: boolean;
  /** True: no choice before the gate sees it, so that the gate judges on prompts that nothing was chosen by. */
  sealed: boolean;
}

/** One picture of a set: a request with the prompt and slice that it belongs to. */
export type StandardSample = z.infer<typeof SampleRequest> & {
  promptId: string;
  genre: string;
  /** The prompt without the trigger: what the picture should show. */
  text: string;
  /** Genre, by the name that WikiArt's paintings have it by, that the picture should be of; null: none that can be told. */
  asks: string | null;
  trigger: boolean;
  sealed: boolean;
};

/** The standard prompt sets by version; a version never changes once it is released. */
export const PROMPT_SETS: Readonly<Record<RunConfig['evaluation']['promptSet'], readonly StandardPrompt[]>> =
  {
    'tiny-v1': number(TINY_V1),
    'tiny-v2': number(TINY_V2),
    'standard-v1': number(STANDARD_V1),
    'standard-v2': number(STANDARD_V2),
  };

function number(sections: readonly PromptSection[]): StandardPrompt[] {
  const counts = new Map<string, number>();
  return sections.flatMap(({ slice, texts, trigger, sealed }) =>
    texts.map((text) => {
      const count = (counts.get(slice) ?? 0) + 1;
      counts.set(slice, count);
      return {
        id: `${slice}-${String(count).padStart(2, '0')}`,
        slice,
        text,
        trigger: trigger ?? true,
        sealed: sealed ?? false,
      };
    }),
  );
}

/** Genres of WikiArt that a slice's pictures are of, where its prompts name none. */
const GENRE_OF_SLICE: Readonly<Record<string, string>> = {
  landscape: 'landscape',
  water: 'landscape',
  city: 'cityscape',
  cityscape: 'cityscape',
  portrait: 'portrait',
  interior: 'genre_painting',
  still_life: 'still_life',
};

/** Genre that a prompt asks for: the one that it names ("a still life painting of …"), else its slice's; null: neither. */
export function genreOf({ text, slice }: Pick<StandardPrompt, 'text' | 'slice'>): string | null {
  const [, named] = /^an? (landscape|cityscape|portrait|still life|genre) painting\b/.exec(text) ?? [];
  if (named === 'genre') return 'genre_painting';
  return named?.replace(' ', '_') ?? GENRE_OF_SLICE[slice] ?? null;
}

type SetConfig = {
  seed: RunConfig['seed'];
  dataset: Pick<RunConfig['dataset'], 'trigger'>;
  evaluation: Pick<
    RunConfig['evaluation'],
    'promptSet' | 'seedsPerPrompt' | 'size' | 'inferenceSteps' | 'guidance'
  >;
};

/**
 * The set's pictures: the same for the base, the candidate and production, so that all are paired. A further look asks
 * every prompt for as many seeds again, after those of the looks before it, whose pictures stay what they were. Another
 * rotation asks other sealed prompts, and all of them with other seeds.
 */
export function sampleSet(config: SetConfig, looks = 1, rotation = 0): StandardSample[] {
  const { promptSet, seedsPerPrompt } = config.evaluation;
  const prompts = promptsOf(promptSet, rotation);
  const seed = rotation === 0 ? config.seed : sampleSeed(config.seed, rotation, ROTATED);
  return Array.from({ length: looks }, (_, look) =>
    prompts.flatMap((prompt, promptIndex) =>
      Array.from({ length: seedsPerPrompt }, (__, place) => {
        return sampleOf({ ...config, seed }, prompt, promptIndex, look * seedsPerPrompt + place);
      }),
    ),
  ).flat();
}

/** Place of a rotation when seeds are drawn: no prompt asks for so many. */
const ROTATED = 1_000_003;

/** Prompts of a set with its sealed ones from the pool, batch by batch in turn; its own are the first batch. */
export function promptsOf(
  promptSet: RunConfig['evaluation']['promptSet'],
  rotation: number,
): readonly StandardPrompt[] {
  const pool = SEALED_POOL[promptSet] ?? [];
  const turn = rotation % (pool.length + 1);
  const batch = pool[turn - 1];
  if (batch === undefined) return PROMPT_SETS[promptSet];
  const texts = new Map(batch.map((section) => [section.slice, [...section.texts]]));
  return PROMPT_SETS[promptSet].map((prompt) => {
    const text = prompt.sealed ? texts.get(prompt.slice)?.shift() : undefined;
    return text === undefined ? prompt : { ...prompt, id: `${prompt.id}-${turn}`, text };
  });
}

/** Further sealed prompts of the sets that have any. */
const SEALED_POOL: Partial<
  Record<RunConfig['evaluation']['promptSet'], readonly (readonly PromptSection[])[]>
> = { 'tiny-v2': SEALED_TINY, 'standard-v2': SEALED_STANDARD };

function sampleOf(config: SetConfig, prompt: StandardPrompt, index: number, draw: number): StandardSample {
  return {
    id: `${prompt.id}-s${draw}`,
    prompt: prompt.trigger ? `${prompt.text}, ${config.dataset.trigger}` : prompt.text,
    seed: sampleSeed(config.seed, index, draw),
    promptId: prompt.id,
    genre: prompt.slice,
    text: prompt.text,
    asks: genreOf(prompt),
    trigger: prompt.trigger,
    sealed: prompt.sealed,
  };
}

/** Prompts that checkpoints and trials are compared on, by the words that a set is in: none is in any set of the gate. */
const CHOICE_PROMPTS = { tiny: number(CHOICE_TINY), standard: number(CHOICE_STANDARD) };
/** Place of their first prompt when seeds are drawn: beyond that of any prompt of the gate. */
const FIRST_CHOICE = 10_000;

/** What trials and checkpoints are compared on: other prompts than the gate's with other seeds, evenly over the slices. */
export function choiceSamples(config: SetConfig, most = Number.POSITIVE_INFINITY): StandardSample[] {
  const prompts = CHOICE_PROMPTS[config.evaluation.promptSet.startsWith('tiny') ? 'tiny' : 'standard'];
  const every = Math.max(1, prompts.length / most);
  return Array.from({ length: Math.min(most, prompts.length) }, (_, i) => Math.floor(i * every)).flatMap(
    (place) => {
      const prompt = prompts[place];
      return prompt === undefined
        ? []
        : [sampleOf(config, { ...prompt, id: `choice-${prompt.id}` }, FIRST_CHOICE + place, 0)];
    },
  );
}

/** Pictures that choose a checkpoint: those of each one compared, and the base's beside them. */
export function choicePictures(
  config: SetConfig & { evaluation: Pick<RunConfig['evaluation'], 'checkpoints'> },
): number {
  const { checkpoints } = config.evaluation;
  return checkpoints > 1 ? (checkpoints + 1) * choiceSamples(config).length : 0;
}

/** Pictures of the candidate that are painted again from the file loaded anew, and in the type that is served. */
export const PARITY_SAMPLES = 16;

/** How many pictures are painted again. */
export function paritySamples(
  config: SetConfig & {
    training: Pick<RunConfig['training'], 'precision' | 'quantization'>;
    evaluation: Pick<RunConfig['evaluation'], 'deployedPrecision'>;
  },
): number {
  const { precision, quantization } = config.training;
  const again = Math.min(PARITY_SAMPLES, sampleSet(config).length);
  return again * (config.evaluation.deployedPrecision === precision && quantization === 'none' ? 1 : 2);
}

/** Seed of a picture: 31 bits, mixed so that neighboring run seeds, prompts and draws share none. */
export function sampleSeed(runSeed: number, promptIndex: number, draw: number): number {
  let hash = 0x9e3779b9;
  for (const part of [runSeed, promptIndex, draw]) {
    hash = Math.imul(hash ^ part, 0x85ebca6b);
    hash ^= hash >>> 13;
    hash = Math.imul(hash, 0xc2b2ae35);
    hash ^= hash >>> 16;
  }
  return hash >>> 1;
}

/**
 * Text whose sha256 is a set's identity, `setSha256` of the trainer's manifests: what is asked for, not who answers.
 */
export function sampleSetText(
  samples: readonly z.infer<typeof SampleRequest>[],
  settings: {
    size: number;
    inferenceSteps: number;
    guidance: number;
    precision: string;
    quantization: string;
  },
): string {
  const { size, inferenceSteps, guidance, precision, quantization } = settings;
  return JSON.stringify([
    'plein-air sample set 1',
    size,
    inferenceSteps,
    guidance,
    quantization === 'none' ? precision : `${precision}+${quantization}`,
    samples.map(({ id, prompt, seed }) => [id, prompt, seed]),
  ]);
}
