import type { PromptSection } from './prompts-v1.ts';

/**
 * Sealed prompts that take the place of those of version 2, batch by batch, so that nobody comes to know one sealed set by
 * heart: as many in each slice. A batch never changes; new ones are added at the end.
 */
export const SEALED_TINY: readonly (readonly PromptSection[])[] = [
  [
    sealed('landscape', [
      'a landscape painting of a river with a house in summer',
      'a landscape painting of a field with houses in winter',
      'a landscape painting of a road with trees at dawn',
    ]),
    sealed('water', [
      'a landscape painting of a lake with a boat in winter',
      'a landscape painting of the sea with boats at dusk',
    ]),
    sealed('city', [
      'a cityscape painting of a canal between houses with boats in summer',
      'a cityscape painting of a street of houses in summer',
    ]),
    sealed('portrait', [
      'a portrait painting of a man in red',
      'a portrait painting of a woman in blue with a white hat',
    ]),
    sealed('interior', ['a genre painting of a woman in white in an interior with a table']),
    sealed('still_life', [
      'a still life painting of a bottle and apples on a white cloth',
      'a still life painting of flowers in a vase and apples on a red cloth',
    ]),
    sealed('crowd', ['a cityscape painting of a street of houses with people in spring at dusk']),
    sealed('night', [
      'a landscape painting of a river with a house at night',
      'a landscape painting of the sea with boats at night',
    ]),
    sealed('adherence', [
      'a cityscape painting of a canal between houses with one boat and people in winter at dusk',
    ]),
  ],
  [
    sealed('landscape', [
      'a landscape painting of a field with trees in spring',
      'a landscape painting of a river with houses in autumn',
      'a landscape painting of a road with houses and trees at dusk',
    ]),
    sealed('water', [
      'a landscape painting of the sea with a boat in spring',
      'a landscape painting of a lake with houses in autumn',
    ]),
    sealed('city', [
      'a cityscape painting of a street of houses at dusk',
      'a cityscape painting of a canal between houses with a boat in winter',
    ]),
    sealed('portrait', [
      'a portrait painting of a woman in red with a black hat',
      'a portrait painting of a man in black with a white hat',
    ]),
    sealed('interior', ['a genre painting of a man in blue by a window']),
    sealed('still_life', [
      'a still life painting of flowers in a vase and oranges on a white cloth',
      'a still life painting of lemons on a red cloth',
    ]),
    sealed('crowd', ['a genre painting of a woman in red with a parasol before a lake in summer']),
    sealed('night', [
      'a landscape painting of a field with trees at night',
      'a cityscape painting of a canal between houses with boats at night',
    ]),
    sealed('adherence', ['a still life painting of two bottles and four apples on a white cloth']),
  ],
];

/** The same for FLUX.1-dev. */
export const SEALED_STANDARD: readonly (readonly PromptSection[])[] = [
  [
    sealed('landscape', [
      'a chalk path over downs under fast clouds',
      'an orchard in blossom behind a broken wall',
      'stacks of peat on a moor at first light',
    ]),
    sealed('water', [
      'a ferry crossing a wide estuary at low tide',
      'a mill race between mossy stones in May',
    ]),
    sealed('city', [
      'scaffolding on a church front on a bright morning',
      'a tram turning a corner in wet snow',
    ]),
    sealed('portrait', [
      'an old fisherman mending a net, seen from the side',
      'a girl with a basket of lemons against a white wall',
    ]),
    sealed('interior', ['a kitchen with copper pans and a cat asleep']),
    sealed('still_life', ['an open book, a candlestick and three walnuts']),
    sealed('crowd', ['a harvest supper at a long table under lime trees']),
    sealed('night', ['fishing boats with lanterns on a black sea']),
    sealed('adherence', ['two white horses behind a fence, a third one lying down in front of it']),
  ],
  [
    sealed('landscape', [
      'a beech wood in November with one clearing',
      'hay carts on a lane between poppies',
      'a snowed-in farm below a pine ridge',
    ]),
    sealed('water', [
      'a rowing boat among water lilies in rain',
      'breakers on a shingle beach in winter light',
    ]),
    sealed('city', ['roofs and chimney pots from a high window', 'a fish market under canvas at noon']),
    sealed('portrait', [
      'a violinist tuning her instrument by a stove',
      'a bearded man in a straw hat, half in shade',
    ]),
    sealed('interior', ['a hallway with an umbrella stand and light from a glass door']),
    sealed('still_life', ['a ham, a knife and a jug on a crumpled cloth']),
    sealed('crowd', ['bathers and parasols on a beach in the afternoon']),
    sealed('night', ['a theater entrance with carriages waiting in the rain']),
    sealed('adherence', ['a red chair to the left of a green table with exactly five oranges on it']),
  ],
];

function sealed(slice: string, texts: string[]): PromptSection {
  return { slice, texts, sealed: true };
}
