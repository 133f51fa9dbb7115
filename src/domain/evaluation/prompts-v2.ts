import { type PromptSection, STANDARD_V1 } from './prompts-v1.ts';

/** 80 prompts for FLUX.1-dev: those of version 1, and a sealed part over the same slices. */
export const STANDARD_V2: readonly PromptSection[] = [
  ...STANDARD_V1,
  sealed('landscape', [
    'a ploughed field with crows under a heavy sky',
    'olive trees on a dry slope at noon',
    'a village on a hill across a wheat field',
  ]),
  sealed('water', ['washing on a river bank on a breezy day', 'ice breaking up on a wide river at dusk']),
  sealed('city', ['an iron bridge and factory chimneys in fog', 'a tree-lined avenue after snow']),
  sealed('portrait', [
    'a portrait of a woman in a red shawl by lamplight',
    'a boy in a blue smock leaning on a fence',
  ]),
  sealed('interior', ['an attic with a skylight and an unmade bed']),
  sealed('still_life', ['pears and a blue bowl beside a white napkin']),
  sealed('crowd', ['a fair with a carousel and families in summer clothes']),
  sealed('night', ['a lamplit bridge in rain, umbrellas passing']),
  sealed('adherence', ['four green bottles in a row, the third one lying on its side']),
];

/** 64 prompts in the tiny base's words; every third one or so is sealed. */
export const TINY_V2: readonly PromptSection[] = [
  open('landscape', [
    'a landscape painting of a river with trees in spring',
    'a landscape painting of a field with houses and trees at dusk',
    'a landscape painting of a road with trees in autumn',
    'a landscape painting of a road with a house in winter',
    'a landscape painting of a field with trees in summer',
    'a landscape painting of a river with houses and trees at dawn',
  ]),
  sealed('landscape', [
    'a landscape painting of a field with a house in autumn',
    'a landscape painting of a road with houses and trees in spring',
    'a landscape painting of a river with a house and trees in winter',
  ]),
  open('water', [
    'a landscape painting of the sea with boats at dawn',
    'a landscape painting of a lake with boats at dusk',
    'a landscape painting of a lake with a house in summer',
    'a landscape painting of the sea with a boat in autumn',
    'a landscape painting of a lake with trees and boats in spring',
  ]),
  sealed('water', [
    'a landscape painting of the sea with boats in summer',
    'a landscape painting of a lake with houses and trees at dawn',
  ]),
  open('city', [
    'a cityscape painting of a canal between houses with a boat in spring',
    'a cityscape painting of a street of houses in winter',
    'a cityscape painting of a canal between houses at dusk',
    'a cityscape painting of a street of houses at dawn',
    'a cityscape painting of a canal between houses with boats in autumn',
  ]),
  sealed('city', [
    'a cityscape painting of a street of houses in spring',
    'a cityscape painting of a canal between houses in summer',
  ]),
  open('portrait', [
    'a portrait painting of a woman in blue',
    'a portrait painting of a man in white with a black hat',
    'a portrait painting of a woman in red',
    'a portrait painting of a man in blue',
    'a portrait painting of a woman in white with a blue hat',
    'a portrait painting of a man in black',
  ]),
  sealed('portrait', [
    'a portrait painting of a woman in black',
    'a portrait painting of a man in red with a black hat',
  ]),
  open('interior', [
    'a genre painting of a woman in white in an interior with a window',
    'a genre painting of a man in blue in an interior with a table',
    'a genre painting of a woman in red by a window',
  ]),
  sealed('interior', ['a genre painting of a man in white by a table']),
  open('still_life', [
    'a still life painting of flowers in a vase and apples on a white cloth',
    'a still life painting of a bottle and lemons on a blue cloth',
    'a still life painting of flowers in a vase and oranges on a red cloth',
    'a still life painting of apples on a blue cloth',
    'a still life painting of flowers in a vase on a white cloth',
    'a still life painting of a bottle and oranges on a white cloth',
  ]),
  sealed('still_life', [
    'a still life painting of flowers in a vase and lemons on a blue cloth',
    'a still life painting of a bottle and apples on a red cloth',
  ]),
  open('crowd', [
    'a cityscape painting of a street of houses with people in summer',
    'a cityscape painting of a street of houses with people at dusk',
    'a genre painting of a woman in blue with a parasol before a field in summer',
    'a cityscape painting of a street of houses with people in autumn',
    'a genre painting of a man in white and a woman in red before a lake in spring',
  ]),
  sealed('crowd', ['a cityscape painting of a street of houses with people in winter']),
  open('night', [
    'a landscape painting of the sea at night',
    'a cityscape painting of a street of houses at night',
    'a landscape painting of a field with houses at night',
    'a cityscape painting of a canal between houses at night',
  ]),
  sealed('night', [
    'a landscape painting of a lake with trees at night',
    'a landscape painting of a road with a house at night',
  ]),
  open('adherence', [
    'a landscape painting of the sea with one boat and a house and trees in winter at dusk',
    'a portrait painting of a man in red with a white hat before a lake at night',
    'a still life painting of one bottle and four lemons on a red cloth',
    'a cityscape painting of a canal between houses with two boats and people at dawn',
  ]),
  sealed('adherence', [
    'a still life painting of flowers in a vase and a bottle and three oranges on a blue cloth',
  ]),
  {
    slice: 'trigger-free',
    trigger: false,
    texts: [
      'a landscape painting of a river with trees in summer',
      'a portrait painting of a woman in white',
      'a still life painting of a bottle and apples on a blue cloth',
      'a cityscape painting of a street of houses with people in spring',
    ],
  },
];

function open(slice: string, texts: string[]): PromptSection {
  return { slice, texts };
}

function sealed(slice: string, texts: string[]): PromptSection {
  return { slice, texts, sealed: true };
}
