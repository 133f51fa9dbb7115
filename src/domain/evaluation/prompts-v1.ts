/** Prompts of one slice of a set; ids are numbered over all sections of the same slice. */
export interface PromptSection {
  slice: string;
  texts: readonly string[];
  /** False: asked without the trigger. */
  trigger?: false;
  /** True: kept from every choice before the gate. */
  sealed?: true;
}

/** In the words of the tiny base: a genre, `of`, and a scene as the generated WikiArt describes it. */
export const TINY_V1: readonly PromptSection[] = [
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

/** For FLUX.1-dev. */
export const STANDARD_V1: readonly PromptSection[] = [
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
