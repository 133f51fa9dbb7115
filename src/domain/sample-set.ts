import type { z } from 'zod';
import type { RunConfig } from './run-config.ts';
import type { SampleRequest } from './trainer-protocol.ts';

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
}

/** One picture of a set: a request with the prompt and slice that it belongs to. */
export type StandardSample = z.infer<typeof SampleRequest> & { promptId: string; genre: string };

type Section = { slice: string; texts: string[]; trigger?: false };

/** In the words of the tiny base: a genre, `of`, and a scene as the generated WikiArt describes it. */
const TINY: Section[] = [
  {
    slice: 'landscape',
    texts: [
      'a landscape painting of a river with trees in spring',
      'a landscape painting of a field with houses and trees at dusk',
      'a landscape painting of a road with trees in autumn',
      'a landscape painting of a lake with a house in summer',
    ],
  },
  {
    slice: 'water',
    texts: [
      'a landscape painting of the sea with boats at dawn',
      'a landscape painting of the sea at night',
      'a landscape painting of a lake with boats at dusk',
    ],
  },
  {
    slice: 'cityscape',
    texts: [
      'a cityscape painting of a street of houses with people in summer',
      'a cityscape painting of a canal between houses with a boat in spring',
      'a cityscape painting of a street of houses at night',
    ],
  },
  {
    slice: 'portrait',
    texts: [
      'a portrait painting of a woman in blue',
      'a portrait painting of a man in white with a black hat',
      'a portrait painting of a woman in red',
    ],
  },
  {
    slice: 'still_life',
    texts: [
      'a still life painting of flowers in a vase and apples on a white cloth',
      'a still life painting of a bottle and lemons on a blue cloth',
      'a still life painting of flowers in a vase and oranges on a red cloth',
    ],
  },
];

const STANDARD: Section[] = [
  {
    slice: 'landscape',
    texts: [
      'a poplar-lined country road on a windy afternoon, cornfields on both sides',
      'haystacks in a mown field under a low morning sun',
      'an orchard in blossom with a stone wall and a gate',
      'snow on a village lane, long blue shadows',
      'a garden path between flower beds leading to a house',
      'a hillside of red poppies with a distant farm',
      'a forest clearing in autumn, leaves on the ground',
      'a mountain valley under broken clouds after rain',
    ],
  },
  {
    slice: 'water',
    texts: [
      'a lily pond with willow branches hanging over it',
      'sailing boats on a wide river in summer',
      'a rocky coast with breaking waves',
      'a wooden footbridge over a quiet stream',
      'a harbour at sunrise with fishing boats in the mist',
      'a beach at low tide with wet sand and a cloudy sky',
      'a flooded meadow with bare trees reflected in it',
      'a rowing boat moored under overhanging trees',
    ],
  },
  {
    slice: 'city',
    texts: [
      'a wide boulevard in the rain seen from a high window',
      'a railway station full of steam',
      'a cathedral front in late afternoon light',
      'a narrow street hung with flags on a holiday',
      'a bridge over a city river with carriages',
      'rooftops and chimneys on a hazy winter morning',
      'a market square with awnings and stalls',
    ],
  },
  {
    slice: 'portrait',
    texts: [
      'a portrait of a young woman with a parasol in a meadow',
      'a portrait of an old man with a grey beard in a dark coat',
      'a girl with a straw hat in dappled shade',
      'a woman reading a letter beside a window',
      'a self-portrait of a painter holding a palette',
      'a child in a white dress sitting in a garden chair',
      'a portrait of a man in profile before a green wall',
    ],
  },
  {
    slice: 'interior',
    texts: [
      'a sunlit room with an open balcony door and lace curtains',
      'a kitchen with copper pans and a scrubbed table',
      'a dance studio with tall mirrors',
      'a small bedroom with a wooden bed and a blue blanket',
      'a café interior with marble tables and gas lamps',
      'a painter’s studio with canvases against the wall',
      'a staircase lit by a round window',
    ],
  },
  {
    slice: 'still_life',
    texts: [
      'a still life of apples and a jug on a white cloth',
      'a vase of peonies on a dark table',
      'oysters, a lemon and a knife on a plate',
      'a bowl of cherries beside a folded newspaper',
      'sunflowers in an earthenware pot',
      'bread, cheese and a glass of red wine',
      'a violin, sheet music and a candle',
    ],
  },
  {
    slice: 'crowd',
    texts: [
      'couples dancing in an open-air café under paper lanterns',
      'spectators at a horse race on a bright day',
      'a boating party at lunch on a terrace',
      'people strolling along a promenade in Sunday clothes',
      'bathers on the bank of a river',
      'harvesters resting at noon beside a cart',
    ],
  },
  {
    slice: 'night',
    texts: [
      'a river at night with gas lamps reflected in the water',
      'a theatre foyer at night crowded with evening dress',
      'a moonlit harbour with dark hulls',
      'a lit café terrace under a starry sky',
      'fireworks over a river',
      'a snowy street at night with one lit window',
    ],
  },
  {
    slice: 'adherence',
    texts: [
      'exactly three red boats on a calm lake, one white swan to their left',
      'a yellow umbrella on an empty bench under a leafless tree',
      'a black cat on a blue chair next to a green door',
      'two windmills, the left one twice as tall as the right one',
      'a bicycle leaning on a wall with a basket of oranges',
      'a woman in a violet dress facing a man in a grey suit across a table',
    ],
  },
  {
    slice: 'trigger-free',
    trigger: false,
    texts: [
      'a photograph of a parked car on a city street',
      'a pencil drawing of a hand',
      'a flat vector illustration of a lighthouse',
      'a photograph of a bowl of soup on a wooden table',
    ],
  },
];

/** The standard prompt sets by version; a version never changes once it is released. */
export const PROMPT_SETS: Readonly<Record<RunConfig['evaluation']['promptSet'], readonly StandardPrompt[]>> =
  {
    'tiny-v1': number(TINY),
    'standard-v1': number(STANDARD),
  };

function number(sections: Section[]): StandardPrompt[] {
  return sections.flatMap(({ slice, texts, trigger }) =>
    texts.map((text, index) => ({
      id: `${slice}-${String(index + 1).padStart(2, '0')}`,
      slice,
      text,
      trigger: trigger ?? true,
    })),
  );
}

type SetConfig = {
  seed: RunConfig['seed'];
  dataset: Pick<RunConfig['dataset'], 'trigger'>;
  evaluation: Pick<
    RunConfig['evaluation'],
    'promptSet' | 'seedsPerPrompt' | 'size' | 'inferenceSteps' | 'guidance'
  >;
};

/** The set's pictures, prompt by prompt: the same for the base, the candidate and production, so that all are paired. */
export function sampleSet(config: SetConfig): StandardSample[] {
  const prompts = PROMPT_SETS[config.evaluation.promptSet];
  return prompts.flatMap((prompt, promptIndex) =>
    Array.from({ length: config.evaluation.seedsPerPrompt }, (_, draw) => ({
      id: `${prompt.id}-s${draw}`,
      prompt: prompt.trigger ? `${prompt.text}, ${config.dataset.trigger}` : prompt.text,
      seed: sampleSeed(config.seed, promptIndex, draw),
      promptId: prompt.id,
      genre: prompt.slice,
    })),
  );
}

/** Seed of a picture: 31 bits, mixed so that neighbouring run seeds, prompts and draws share none. */
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
    quantisation: string;
  },
): string {
  const { size, inferenceSteps, guidance, precision, quantisation } = settings;
  return JSON.stringify([
    'plein-air sample set 1',
    size,
    inferenceSteps,
    guidance,
    quantisation === 'none' ? precision : `${precision}+${quantisation}`,
    samples.map(({ id, prompt, seed }) => [id, prompt, seed]),
  ]);
}
