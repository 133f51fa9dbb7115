import { mix, type Rgb, scale } from './color.ts';
import type { Random } from './random.ts';
import { blob, box, type Easel, ellipse, outline, type Point, type Scene, type Shape } from './scene.ts';

const SKINS: readonly Rgb[] = [
  [240, 206, 176],
  [222, 178, 142],
  [176, 124, 88],
  [128, 86, 62],
];
const HAIRS: readonly Rgb[] = [
  [54, 38, 30],
  [122, 76, 42],
  [206, 164, 92],
  [150, 70, 40],
  [168, 164, 160],
];
const CLOTHS = {
  red: [182, 52, 46],
  blue: [52, 84, 156],
  green: [62, 112, 74],
  white: [234, 228, 216],
  black: [42, 40, 48],
  yellow: [226, 182, 70],
} as const satisfies Record<string, Rgb>;

/** The colors that clothes and captions share. */
export type ClothColor = keyof typeof CLOTHS;

/** Draws a color with its name. */
export function clothColor(random: Random): { name: ClothColor; rgb: Rgb } {
  const name = random.pick(Object.keys(CLOTHS) as ClothColor[]);
  return { name, rgb: CLOTHS[name] };
}

/** A head and shoulders before a plain background; `holy` adds a halo and an arch. */
export function portrait(easel: Easel, holy = false): Scene {
  const { random, width, height } = easel;
  const cloth = clothColor(random);
  const skin = random.pick(SKINS);
  const hair = random.pick(HAIRS);
  const woman = random.chance(0.5);
  const back = random.pick<Rgb>([
    [96, 110, 120],
    [132, 108, 84],
    [74, 92, 84],
    [150, 136, 120],
    [104, 84, 104],
    [170, 186, 190],
  ]);
  const x = width * random.between(0.42, 0.58);
  const size = Math.min(height * 0.19, width * 0.26) * random.between(0.9, 1.12);
  const y = height * random.between(0.36, 0.42);
  const turn = random.between(-0.18, 0.18) * size;
  const shapes: Shape[] = [
    outline('wall', box(-2, -2, width + 4, height + 4), {
      top: mix(back, [255, 240, 220], 0.22),
      bottom: scale(back, 0.72),
      flow: random.between(30, 70),
    }),
  ];
  if (holy) {
    shapes.push(
      outline('wall', ellipse(x, y + size, size * 2.5, size * 3.1, 24), {
        top: [126, 104, 140],
        bottom: [60, 60, 104],
      }),
    );
    shapes.push(
      outline('light', ellipse(x, y - size * 0.1, size * 1.75, size * 1.75, 24), {
        top: [236, 192, 84],
        bottom: [206, 152, 58],
        round: true,
      }),
    );
  }
  if (woman)
    shapes.push(
      outline('hair', blob(random, x, y + size * 0.25, size * 1.02, size * 1.5), {
        top: hair,
        flow: 80,
        round: true,
      }),
    );
  const shoulder = y + size * 1.75;
  shapes.push(
    outline(
      'cloth',
      [
        [x - size * 0.5, shoulder - size * 0.35],
        [x + size * 0.5, shoulder - size * 0.35],
        [x + size * 1.9, shoulder + size * 0.5],
        [x + size * 2.3, height + 2],
        [x - size * 2.3, height + 2],
        [x - size * 1.9, shoulder + size * 0.5],
      ],
      { top: mix(cloth.rgb, [255, 255, 255], 0.1), bottom: scale(cloth.rgb, 0.62), flow: 70 },
    ),
  );
  shapes.push(
    outline(
      'skin',
      [
        [x - size * 0.36, y + size * 0.6],
        [x + size * 0.36, y + size * 0.6],
        [x + size * 0.46, shoulder - size * 0.2],
        [x, shoulder + size * 0.3],
        [x - size * 0.46, shoulder - size * 0.2],
      ],
      { top: scale(skin, 0.8), flow: 90 },
    ),
  );
  shapes.push(
    outline('skin', ellipse(x, y, size * 0.78, size, 20), {
      top: mix(skin, [255, 246, 230], 0.2),
      bottom: scale(skin, 0.84),
      flow: 60,
      round: true,
    }),
  );
  shapes.push(
    outline('hair', ellipse(x, y - size * 0.62, size * 0.84, size * 0.5, 16), {
      top: hair,
      flow: 20,
      round: true,
    }),
  );
  for (const side of [-1, 1]) {
    shapes.push(
      outline(
        'feature',
        ellipse(x + turn + side * size * 0.31, y - size * 0.02, size * 0.13, size * 0.07, 10),
        { top: [46, 40, 46], bottom: [46, 40, 46] },
      ),
    );
    shapes.push(
      outline(
        'feature',
        box(x + turn + side * size * 0.31 - size * 0.17, y - size * 0.22, size * 0.34, size * 0.06),
        { top: scale(hair, 0.8) },
      ),
    );
  }
  shapes.push(
    outline(
      'feature',
      [
        [x + turn, y],
        [x + turn + size * 0.14, y + size * 0.34],
        [x + turn - size * 0.04, y + size * 0.36],
      ],
      { top: scale(skin, 0.72) },
    ),
  );
  shapes.push(
    outline('feature', ellipse(x + turn * 0.8, y + size * 0.58, size * 0.24, size * 0.08, 10), {
      top: [176, 74, 70],
      bottom: [140, 54, 56],
    }),
  );
  if (!woman && random.chance(0.3))
    shapes.push(
      outline(
        'hair',
        [
          [x - size * 0.55, y + size * 0.68],
          [x + size * 0.55, y + size * 0.68],
          [x + size * 0.3, y + size * 1.12],
          [x - size * 0.3, y + size * 1.12],
        ],
        { top: scale(hair, 0.9), flow: 90 },
      ),
    );
  const hatted = !holy && random.chance(0.45);
  const hat = clothColor(random);
  if (hatted) {
    shapes.push(
      outline('cloth', ellipse(x, y - size * 0.72, size * 1.45, size * 0.26, 18), { top: hat.rgb, flow: 5 }),
    );
    shapes.push(
      outline(
        'cloth',
        [
          [x - size * 0.7, y - size * 0.75],
          [x - size * 0.55, y - size * 1.45],
          [x + size * 0.55, y - size * 1.45],
          [x + size * 0.7, y - size * 0.75],
        ],
        { top: scale(hat.rgb, 0.92), flow: 80 },
      ),
    );
  }
  const who = woman ? 'a woman' : 'a man';
  const content = holy
    ? `${who} with a halo, dressed in ${cloth.name}`
    : hatted
      ? `${who} in ${cloth.name} with a ${hat.name} hat`
      : `${who} in ${cloth.name}`;
  return { width, height, shapes, content, light: undefined };
}

/** A table with a vase, fruit, a bottle or a bowl. */
export function stillLife(easel: Easel): Scene {
  const { random, width, height } = easel;
  const wall = random.pick<Rgb>([
    [120, 132, 128],
    [160, 140, 112],
    [88, 84, 104],
    [186, 176, 156],
    [92, 112, 134],
  ]);
  const cloth = clothColor(random);
  const edge = height * random.between(0.58, 0.68);
  const shapes: Shape[] = [
    outline('wall', box(-2, -2, width + 4, height + 4), {
      top: mix(wall, [255, 244, 220], 0.15),
      bottom: scale(wall, 0.8),
      flow: random.between(40, 80),
    }),
    outline(
      'cloth',
      [
        [-2, edge],
        [width + 2, edge - random.between(-2, 2)],
        [width + 2, height + 2],
        [-2, height + 2],
      ],
      { top: mix(cloth.rgb, [255, 255, 255], 0.35), bottom: scale(cloth.rgb, 0.74), flow: 8 },
    ),
  ];
  const words: string[] = [];
  if (random.chance(0.65)) {
    shapes.push(...bouquet(easel, { x: width * random.between(0.35, 0.65), y: edge + 8 }));
    words.push('flowers in a vase');
  }
  if (words.length === 0 || random.chance(0.35)) {
    shapes.push(...bottle(easel, { x: width * random.between(0.15, 0.85), y: edge + 9 }));
    words.push('a bottle');
  }
  const fruit = random.pick(['apples', 'oranges', 'lemons', 'plums'] as const);
  const color = {
    apples: [196, 58, 46],
    oranges: [234, 134, 44],
    lemons: [240, 212, 76],
    plums: [106, 62, 118],
  }[fruit] as unknown as Rgb;
  const count = random.integer(2, 6);
  const start = width * random.between(0.12, 0.5);
  for (let index = 0; index < count; index++) {
    const radius = random.between(5, 7.5);
    const x = start + index * radius * 1.5 + random.between(-2, 2);
    const y = edge + random.between(8, 22);
    shapes.push(
      outline('feature', ellipse(x + 2, y + radius * 0.8, radius * 1.1, radius * 0.35, 12), {
        top: scale(cloth.rgb, 0.5),
      }),
    );
    shapes.push(
      outline('object', ellipse(x, y, radius, radius * 0.94, 14), {
        top: mix(color, [255, 240, 190], 0.3),
        bottom: scale(color, 0.7),
        flow: 50,
        round: true,
      }),
    );
  }
  words.push(fruit);
  return {
    width,
    height,
    shapes,
    content: `${words.join(' and ')} on a ${cloth.name} cloth`,
    light: undefined,
  };
}

function bouquet(easel: Easel, at: { x: number; y: number }): Shape[] {
  const { random } = easel;
  const { x, y } = at;
  const glaze = clothColor(random).rgb;
  const tall = random.between(20, 27);
  const wide = random.between(7, 10);
  const petals = random.pick<Rgb>([
    [232, 92, 96],
    [246, 200, 76],
    [238, 232, 240],
    [152, 112, 190],
    [242, 146, 168],
  ]);
  const shapes: Shape[] = [];
  for (let index = 0; index < 7; index++) {
    shapes.push(
      outline('foliage', blob(random, x + random.between(-15, 15), y - tall - random.between(2, 20), 6, 4), {
        top: [74, 118, 62],
        flow: random.between(0, 180),
      }),
    );
  }
  shapes.push(
    outline(
      'object',
      [
        [x - wide * 0.5, y - tall],
        [x + wide * 0.5, y - tall],
        [x + wide, y - tall * 0.45],
        [x + wide * 0.6, y],
        [x - wide * 0.6, y],
        [x - wide, y - tall * 0.45],
      ],
      { top: mix(glaze, [255, 255, 255], 0.25), bottom: scale(glaze, 0.68), flow: 80, round: true },
    ),
  );
  for (let index = 0; index < 11; index++) {
    const px = x + random.between(-16, 16);
    const py = y - tall - random.between(1, 24);
    const radius = random.between(3.4, 5.4);
    const color = random.chance(0.75) ? petals : mix(petals, [255, 255, 255], 0.5);
    shapes.push(
      outline('object', blob(random, px, py, radius, radius), {
        top: mix(color, [255, 255, 255], 0.15),
        bottom: scale(color, 0.8),
        flow: random.between(0, 180),
        round: true,
      }),
    );
    shapes.push(outline('feature', ellipse(px, py, radius * 0.3, radius * 0.3, 8), { top: [216, 156, 52] }));
  }
  return shapes;
}

function bottle(easel: Easel, at: { x: number; y: number }): Shape[] {
  const { x, y } = at;
  const glass = easel.random.pick<Rgb>([
    [46, 92, 62],
    [62, 70, 112],
    [122, 70, 42],
  ]);
  return [
    outline(
      'object',
      [
        [x - 2, y - 44],
        [x + 2, y - 44],
        [x + 2.4, y - 32],
        [x + 6, y - 26],
        [x + 6, y],
        [x - 6, y],
        [x - 6, y - 26],
        [x - 2.4, y - 32],
      ],
      { top: mix(glass, [255, 255, 255], 0.2), bottom: scale(glass, 0.8), flow: 90, round: true },
    ),
    outline('feature', box(x - 5, y - 18, 10, 9), { top: [226, 214, 184] }),
  ];
}

/** A standing figure with its feet at y; used in streets, gardens and on beaches. */
export function figure(
  easel: Easel,
  at: { x: number; y: number; size: number },
): { shapes: Shape[]; words: string } {
  const { random } = easel;
  const { x, y, size } = at;
  const skin = random.pick(SKINS);
  const dress = clothColor(random);
  const woman = random.chance(0.6);
  const parasol = random.chance(0.4);
  const legs: Point[] = woman
    ? [
        [x - size * 0.08, y - size * 0.55],
        [x + size * 0.08, y - size * 0.55],
        [x + size * 0.2, y],
        [x - size * 0.2, y],
      ]
    : [
        [x - size * 0.1, y - size * 0.5],
        [x + size * 0.1, y - size * 0.5],
        [x + size * 0.11, y],
        [x - size * 0.11, y],
      ];
  const shapes = [
    outline('cloth', ellipse(x + size * 0.1, y, size * 0.26, size * 0.045, 10), { top: [70, 76, 92] }),
    outline('cloth', legs, { top: woman ? dress.rgb : [58, 56, 66], flow: 85 }),
    outline(
      'cloth',
      [
        [x - size * 0.12, y - size * 0.8],
        [x + size * 0.12, y - size * 0.8],
        [x + size * 0.15, y - size * 0.46],
        [x - size * 0.15, y - size * 0.46],
      ],
      { top: mix(dress.rgb, [255, 255, 255], 0.12), flow: 85 },
    ),
    outline('skin', ellipse(x, y - size * 0.89, size * 0.075, size * 0.1, 12), { top: skin }),
    outline('hair', ellipse(x, y - size * 0.95, size * 0.09, size * 0.065, 12), { top: random.pick(HAIRS) }),
  ];
  const shade = clothColor(random);
  if (parasol) {
    shapes.push(
      outline(
        'trunk',
        [
          [x + size * 0.13, y - size * 0.62],
          [x + size * 0.16, y - size * 0.62],
          [x + size * 0.14, y - size * 1.12],
          [x + size * 0.12, y - size * 1.12],
        ],
        { top: [82, 62, 50] },
      ),
    );
    shapes.push(
      outline(
        'cloth',
        [
          [x - size * 0.22, y - size * 1.05],
          [x - size * 0.05, y - size * 1.26],
          [x + size * 0.13, y - size * 1.32],
          [x + size * 0.31, y - size * 1.26],
          [x + size * 0.48, y - size * 1.05],
        ],
        { top: mix(shade.rgb, [255, 255, 255], 0.2), flow: 20 },
      ),
    );
  }
  return {
    shapes,
    words: `a ${woman ? 'woman' : 'man'} in ${dress.name}${parasol ? ' with a parasol' : ''}`,
  };
}

/** Overlapping planes, discs and bars with no subject. */
export function abstract(easel: Easel): Scene {
  const { random, width, height } = easel;
  const palettes: readonly (readonly Rgb[])[] = [
    [
      [214, 58, 48],
      [240, 190, 62],
      [42, 72, 140],
      [238, 232, 220],
      [30, 30, 36],
    ],
    [
      [230, 140, 90],
      [150, 70, 90],
      [70, 80, 110],
      [236, 214, 180],
      [90, 130, 120],
    ],
    [
      [36, 92, 110],
      [120, 180, 170],
      [236, 220, 190],
      [212, 120, 60],
      [60, 40, 60],
    ],
  ];
  const palette = random.pick(palettes);
  const ground = random.pick(palette);
  const shapes: Shape[] = [
    outline('wall', box(-2, -2, width + 4, height + 4), {
      top: mix(ground, [255, 255, 255], 0.25),
      bottom: ground,
    }),
  ];
  const kind = random.pick(['circles', 'bands', 'squares'] as const);
  const count = random.integer(3, 7);
  for (let index = 0; index < count; index++) {
    const color = random.pick(palette);
    const x = random.between(0.05, 0.85) * width;
    const y = random.between(0.05, 0.85) * height;
    const size = random.between(12, 34);
    const flow = random.between(0, 180);
    if (kind === 'circles')
      shapes.push(
        outline('object', ellipse(x, y, size * 0.6, size * 0.6), { top: color, flow, round: true }),
      );
    else if (kind === 'bands')
      shapes.push(
        outline('object', box(-2, (index / count) * height, width + 4, height / count), {
          top: color,
          flow: 0,
        }),
      );
    else
      shapes.push(
        outline('object', box(x - size / 2, y - size / 2, size, size * random.between(0.6, 1.4)), {
          top: color,
          flow,
        }),
      );
  }
  return { width, height, shapes, content: `${kind} of colour`, light: undefined };
}
