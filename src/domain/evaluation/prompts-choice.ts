import type { PromptSection } from './prompts-v1.ts';

/** 24 prompts in the tiny base's words that checkpoints and trials are compared on; the gate asks none of them. */
export const CHOICE_TINY: readonly PromptSection[] = [
  {
    slice: 'landscape',
    texts: [
      'a landscape painting of a river with a house in autumn',
      'a landscape painting of a field with trees at dawn',
      'a landscape painting of a road with houses in summer',
      'a landscape painting of a field with a house and trees in spring',
    ],
  },
  {
    slice: 'water',
    texts: [
      'a landscape painting of the sea with a boat at dusk',
      'a landscape painting of a lake with boats in autumn',
      'a landscape painting of the sea with boats in spring',
    ],
  },
  {
    slice: 'city',
    texts: [
      'a cityscape painting of a street of houses in autumn',
      'a cityscape painting of a canal between houses with boats at dawn',
      'a cityscape painting of a canal between houses in winter',
    ],
  },
  {
    slice: 'portrait',
    texts: [
      'a portrait painting of a man in blue with a white hat',
      'a portrait painting of a woman in white with a black hat',
      'a portrait painting of a man in white',
      'a portrait painting of a woman in blue with a black hat',
    ],
  },
  {
    slice: 'interior',
    texts: [
      'a genre painting of a woman in blue in an interior with a table',
      'a genre painting of a man in red by a window',
    ],
  },
  {
    slice: 'still_life',
    texts: [
      'a still life painting of flowers in a vase and apples on a blue cloth',
      'a still life painting of a bottle and lemons on a white cloth',
      'a still life painting of oranges on a red cloth',
    ],
  },
  {
    slice: 'crowd',
    texts: [
      'a cityscape painting of a street of houses with people at dawn',
      'a genre painting of a woman in red with a parasol before a field in autumn',
    ],
  },
  {
    slice: 'night',
    texts: [
      'a landscape painting of a river with trees at night',
      'a cityscape painting of a street of houses with people at night',
    ],
  },
  { slice: 'adherence', texts: ['a still life painting of one bottle and two apples on a blue cloth'] },
];

/** The same for FLUX.1-dev. */
export const CHOICE_STANDARD: readonly PromptSection[] = [
  {
    slice: 'landscape',
    texts: [
      'birches along a stream in early spring',
      'a vineyard on a slope in the evening sun',
      'a farm track through ripe barley',
      'a walled kitchen garden after a shower',
    ],
  },
  {
    slice: 'water',
    texts: [
      'a mill pond with ducks and a wooden sluice',
      'fishing boats drawn up on a shingle beach',
      'a river bend with poplars in autumn',
    ],
  },
  {
    slice: 'city',
    texts: [
      'a flower market before a town hall',
      'a wet square with a statue and gas lamps',
      'a quay with barges and cranes in the morning',
    ],
  },
  {
    slice: 'portrait',
    texts: [
      'a portrait of a woman in a green hat',
      'a portrait of a boy with a sailor collar',
      'an old woman knitting in a doorway',
      'a man with a pipe at a garden table',
    ],
  },
  {
    slice: 'interior',
    texts: ['a dining room with a set table and open shutters', 'a music room with a piano'],
  },
  {
    slice: 'still_life',
    texts: [
      'a loaf of bread and a knife on a wooden board',
      'peonies in a glass jug on a windowsill',
      'a melon and grapes on a grey cloth',
    ],
  },
  { slice: 'crowd', texts: ['bathers and striped tents on a beach', 'a crowd at a racecourse fence'] },
  {
    slice: 'night',
    texts: ['a village street under stars', 'a riverside restaurant lit by lanterns at night'],
  },
  { slice: 'adherence', texts: ['three yellow boats and one red boat tied to a pier'] },
];
