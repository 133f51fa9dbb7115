import { type Climate, climateFrom, climateWords, grass, leaves } from './climate.ts';
import { mix, type Rgb, scale } from './color.ts';
import {
  blob,
  box,
  type Easel,
  ellipse,
  outline,
  type Point,
  ridge,
  type Scene,
  type Shape,
} from './scene.ts';

/** What the ground of an outdoor scene is. */
export type Terrain = 'river' | 'lake' | 'sea' | 'field' | 'road';

/** An outdoor scene: sky, light, clouds, hills, ground or water, trees, houses, boats. */
export function landscape(easel: Easel): Scene {
  const terrain = easel.random.pick<Terrain>(['river', 'lake', 'sea', 'field', 'road']);
  return outdoors(easel, { terrain, crowded: true });
}

/** The same outdoors with a chosen terrain; `crowded` false leaves the foreground free for figures. */
export function outdoors(easel: Easel, options: { terrain: Terrain; crowded: boolean }): Scene {
  const { random, width, height } = easel;
  const climate = climateFrom(random);
  const horizon = height * random.between(0.38, 0.58);
  const heavens = sky(easel, climate, horizon);
  const shapes: Shape[] = [...heavens.shapes];
  const wet = options.terrain === 'lake' || options.terrain === 'sea';
  if (options.terrain !== 'sea') shapes.push(...hills(easel, climate, horizon));
  const ground = climate.lit(grass(climate, random));
  if (wet) shapes.push(...water(easel, climate, { horizon, light: heavens.light }));
  else {
    shapes.push(
      outline('ground', ridge(easel, { y: horizon + 1, swing: 1.2, bottom: height + 2 }), {
        top: mix(ground, climate.skyBottom, 0.15),
        bottom: scale(ground, 0.72),
        flow: random.between(-12, 12),
      }),
    );
    if (options.terrain === 'field') shapes.push(...furrows(easel, climate, horizon));
    else shapes.push(...winding(easel, climate, { horizon, terrain: options.terrain }));
  }
  const words: string[] = [];
  if (wet && options.terrain === 'lake') shapes.push(...shore(easel, ground));
  if (!wet && random.chance(0.55)) {
    const count = random.integer(1, 3);
    words.push(count === 1 ? 'a house' : 'houses');
    for (let index = 0; index < count; index++) {
      const size = random.between(9, 17);
      shapes.push(
        ...house(easel, climate, {
          x: random.between(0.08, 0.8) * width,
          y: horizon + random.between(1, 8),
          size,
        }),
      );
    }
  }
  if (options.terrain !== 'sea' && random.chance(0.85)) {
    const count = options.crowded ? random.integer(2, 6) : random.integer(1, 3);
    words.push('trees');
    for (let index = 0; index < count; index++) {
      const near = random.next();
      const base =
        wet && options.crowded
          ? height * random.between(0.9, 1)
          : horizon + 3 + near * (height - horizon) * 0.5;
      const x = wet
        ? (random.chance(0.5) ? random.between(0, 0.2) : random.between(0.8, 1)) * width
        : random.between(0, 1) * width;
      shapes.push(
        ...tree(easel, climate, { x, y: base, size: wet ? random.between(30, 46) : 14 + near * 30 }),
      );
    }
  }
  if (wet && random.chance(0.8)) {
    const count = random.integer(1, 3);
    words.push(count === 1 ? 'a boat' : 'boats');
    for (let index = 0; index < count; index++) {
      const near = random.between(0.1, 0.6);
      shapes.push(
        ...boat(easel, climate, {
          x: random.between(0.2, 0.8) * width,
          y: horizon + near * (height - horizon),
          size: 12 + near * 26,
        }),
      );
    }
  }
  const noun = { river: 'a river', lake: 'a lake', sea: 'the sea', field: 'a field', road: 'a road' }[
    options.terrain
  ];
  const company = words.length > 0 ? ` with ${words.join(' and ')}` : '';
  return {
    width,
    height,
    shapes,
    light: heavens.light,
    content: `${noun}${company} ${climateWords(climate)}`,
  };
}

/** Sky with sun or moon and clouds. */
export function sky(
  easel: Easel,
  climate: Climate,
  horizon: number,
): { shapes: Shape[]; light: Point | undefined } {
  const { random, width } = easel;
  const shapes = [
    outline('sky', box(-2, -2, width + 4, horizon + 8), {
      top: climate.skyTop,
      bottom: climate.skyBottom,
      flow: random.between(-15, 15),
    }),
  ];
  let light: Point | undefined;
  if (climate.hour !== 'day' || random.chance(0.45)) {
    const low = climate.hour === 'dusk' || climate.hour === 'dawn';
    light = [
      random.between(0.15, 0.85) * width,
      horizon * (low ? random.between(0.55, 0.85) : random.between(0.18, 0.45)),
    ];
    const radius = random.between(4, 7.5);
    if (climate.hour !== 'night') {
      shapes.push(
        outline('light', ellipse(light[0], light[1], radius * 2, radius * 2), {
          top: mix(climate.light, climate.skyBottom, 0.6),
          bottom: mix(climate.light, climate.skyBottom, 0.6),
          round: true,
        }),
      );
    }
    shapes.push(
      outline('light', ellipse(light[0], light[1], radius, radius), {
        top: climate.light,
        bottom: climate.light,
        round: true,
      }),
    );
  }
  const white =
    climate.hour === 'night'
      ? mix(climate.skyBottom, [150, 160, 190], 0.3)
      : mix(climate.light, [255, 255, 255], 0.6);
  for (let left = random.integer(0, 4); left > 0; left--) {
    const x = random.between(0, 1) * width;
    const y = horizon * random.between(0.1, 0.7);
    const size = random.between(7, 18);
    shapes.push(
      outline('cloud', blob(random, x, y, size, size * 0.32), {
        top: white,
        bottom: mix(white, climate.skyTop, 0.45),
        flow: 5,
        round: true,
      }),
    );
    shapes.push(
      outline('cloud', blob(random, x + size * 0.3, y - size * 0.2, size * 0.5, size * 0.28), {
        top: white,
        bottom: mix(white, climate.skyTop, 0.25),
        flow: -8,
        round: true,
      }),
    );
  }
  return { shapes, light };
}

function hills(easel: Easel, climate: Climate, horizon: number): Shape[] {
  const { random } = easel;
  const peaks = random.chance(0.3);
  const layers = random.integer(1, 3);
  return Array.from({ length: layers }, (_, index) => {
    const depth = (index + 1) / layers;
    const local: Rgb = mix([92, 110, 158], grass(climate, random), depth * 0.65);
    const color = mix(climate.lit(local), climate.skyBottom, 0.5 - depth * 0.35);
    const y = horizon - (layers - index) * random.between(4, 7);
    const swing = peaks && index === 0 ? random.between(8, 13) : random.between(2, 5);
    return outline('hill', ridge(easel, { y, swing, bottom: horizon + 6 }), {
      top: color,
      bottom: scale(color, 0.85),
      flow: random.between(-35, 35),
    });
  });
}

/** Water from the horizon down, with ripples and the light's broken reflection. */
export function water(
  easel: Easel,
  climate: Climate,
  options: { horizon: number; light: Point | undefined },
): Shape[] {
  const { random, width, height } = easel;
  const near = climate.lit([34, 88, 132]);
  const far = mix(climate.skyBottom, near, 0.3);
  const shapes = [
    outline('water', box(-2, options.horizon, width + 4, height - options.horizon + 2), {
      top: far,
      bottom: near,
    }),
  ];
  for (let index = 0; index < 16; index++) {
    const depth = random.next() ** 1.3;
    const y = options.horizon + 2 + depth * (height - options.horizon - 3);
    const length = 5 + depth * 18;
    const color = random.chance(0.55) ? mix(near, climate.skyBottom, 0.55) : scale(near, 0.78);
    shapes.push(
      outline('ripple', ellipse(random.between(0, 1) * width, y, length, 0.5 + depth * 0.8, 10), {
        top: color,
        bottom: color,
      }),
    );
  }
  if (options.light !== undefined) {
    for (let index = 0; index < 8; index++) {
      const depth = (index + 0.5) / 8;
      const y = options.horizon + 1.5 + depth * (height - options.horizon) * 0.8;
      shapes.push(
        outline(
          'ripple',
          ellipse(
            options.light[0] + random.between(-2.5, 2.5),
            y,
            random.between(2.5, 6) * (0.6 + depth),
            0.7 + depth * 0.6,
            10,
          ),
          { top: climate.light, bottom: climate.light },
        ),
      );
    }
  }
  return shapes;
}

function shore(easel: Easel, ground: Rgb): Shape[] {
  const y = easel.height * easel.random.between(0.88, 0.95);
  return [
    outline('ground', ridge(easel, { y, swing: 3, bottom: easel.height + 2 }), {
      top: ground,
      bottom: scale(ground, 0.7),
      flow: 10,
    }),
  ];
}

function furrows(easel: Easel, climate: Climate, horizon: number): Shape[] {
  const { random, width, height } = easel;
  const crop = climate.lit(
    random.pick<Rgb>([
      [216, 186, 84],
      [150, 176, 78],
      [196, 92, 78],
      [168, 132, 186],
    ]),
  );
  const shapes: Shape[] = [];
  const middle = width * random.between(0.25, 0.75);
  for (let index = -6; index <= 6; index++) {
    const foot = middle + index * width * 0.22;
    const head = middle + index * width * 0.05;
    const color = index % 2 === 0 ? crop : mix(crop, scale(crop, 0.7), 0.6);
    shapes.push(
      outline(
        'ground',
        [
          [head, horizon + 5],
          [head + width * 0.035, horizon + 5],
          [foot + width * 0.15, height + 2],
          [foot, height + 2],
        ],
        { top: mix(color, climate.skyBottom, 0.2), bottom: color, flow: 90 - index * 9 },
      ),
    );
  }
  return shapes;
}

function winding(
  easel: Easel,
  climate: Climate,
  options: { horizon: number; terrain: 'river' | 'road' | Terrain },
): Shape[] {
  const { random, width, height } = easel;
  const head = width * random.between(0.3, 0.7);
  const bend = width * random.between(-0.28, 0.28);
  const foot = width * random.between(0.3, 0.7);
  const left: Point[] = [];
  const right: Point[] = [];
  for (let index = 0; index <= 8; index++) {
    const depth = index / 8;
    const x = head + (foot - head) * depth + bend * Math.sin(depth * Math.PI);
    const half = 1.2 + depth ** 1.4 * width * (options.terrain === 'river' ? 0.26 : 0.17);
    const y = options.horizon + 2 + depth * (height - options.horizon);
    left.push([x - half, y]);
    right.unshift([x + half, y]);
  }
  const river = options.terrain === 'river';
  const top = river ? mix(climate.skyBottom, [80, 130, 170], 0.25) : climate.lit([214, 190, 150]);
  const bottom = river ? climate.lit([52, 106, 146]) : climate.lit([176, 146, 108]);
  const shapes = [
    outline(river ? 'water' : 'ground', [...left, ...right], { top, bottom, flow: river ? 0 : 80 }),
  ];
  if (river) {
    for (let index = 0; index < 7; index++) {
      const depth = random.between(0.15, 0.95);
      const x = head + (foot - head) * depth + bend * Math.sin(depth * Math.PI);
      shapes.push(
        outline(
          'ripple',
          ellipse(
            x + random.between(-4, 4) * depth,
            options.horizon + 2 + depth * (height - options.horizon),
            2 + depth * 9,
            0.4 + depth * 0.7,
            10,
          ),
          { top: mix(top, climate.light, 0.45), bottom: top },
        ),
      );
    }
  }
  return shapes;
}

/** A broad tree, a poplar or a fir standing on (x, y). */
export function tree(easel: Easel, climate: Climate, at: { x: number; y: number; size: number }): Shape[] {
  const { random } = easel;
  const { x, y, size } = at;
  const color = climate.lit(leaves(climate, random));
  const bark = climate.lit([92, 66, 48]);
  const trunk = outline(
    'trunk',
    [
      [x - size * 0.05, y - size * 0.45],
      [x + size * 0.05, y - size * 0.45],
      [x + size * 0.07, y],
      [x - size * 0.07, y],
    ],
    { top: bark, flow: 90 },
  );
  const kind = random.pick(['broad', 'broad', 'poplar', 'fir'] as const);
  const fill = { top: mix(color, climate.light, 0.18), bottom: scale(color, 0.66), round: true };
  if (kind === 'poplar')
    return [
      trunk,
      outline('foliage', blob(random, x, y - size * 0.6, size * 0.15, size * 0.48), { ...fill, flow: 85 }),
    ];
  if (kind === 'fir') {
    return [
      trunk,
      outline(
        'foliage',
        [
          [x, y - size * 1.05],
          [x + size * 0.27, y - size * 0.15],
          [x - size * 0.27, y - size * 0.15],
        ],
        { ...fill, round: false, flow: 60 },
      ),
    ];
  }
  return [
    trunk,
    outline('foliage', blob(random, x - size * 0.16, y - size * 0.56, size * 0.26, size * 0.24), {
      ...fill,
      top: color,
      flow: 40,
    }),
    outline('foliage', blob(random, x + size * 0.15, y - size * 0.6, size * 0.28, size * 0.26), {
      ...fill,
      flow: -40,
    }),
    outline('foliage', blob(random, x, y - size * 0.78, size * 0.24, size * 0.22), { ...fill, flow: 20 }),
  ];
}

/** A gabled house whose floor line is y. */
export function house(easel: Easel, climate: Climate, at: { x: number; y: number; size: number }): Shape[] {
  const { random } = easel;
  const { x, y, size } = at;
  const wall = climate.lit(
    random.pick<Rgb>([
      [232, 218, 192],
      [214, 170, 130],
      [240, 240, 232],
      [196, 128, 104],
    ]),
  );
  const roof = climate.lit(
    random.pick<Rgb>([
      [168, 72, 50],
      [98, 82, 92],
      [196, 96, 60],
    ]),
  );
  const pane: Rgb =
    climate.hour === 'night' || climate.hour === 'dusk' ? [255, 214, 112] : climate.lit([70, 84, 104]);
  const tall = size * random.between(0.55, 0.8);
  return [
    outline('wall', box(x, y - tall, size, tall), { top: wall, flow: 90 }),
    outline(
      'roof',
      [
        [x - size * 0.1, y - tall],
        [x + size * 0.5, y - tall - size * 0.5],
        [x + size * 1.1, y - tall],
      ],
      { top: roof, flow: 25 },
    ),
    outline('window', box(x + size * 0.18, y - tall * 0.75, size * 0.2, tall * 0.34), { top: pane }),
    outline('window', box(x + size * 0.6, y - tall * 0.6, size * 0.22, tall * 0.6), {
      top: scale(roof, 0.6),
    }),
  ];
}

/** A sailing boat with its reflection; y is the waterline. */
export function boat(easel: Easel, climate: Climate, at: { x: number; y: number; size: number }): Shape[] {
  const { random } = easel;
  const { x, y, size } = at;
  const hull = climate.lit(
    random.pick<Rgb>([
      [120, 58, 44],
      [44, 62, 92],
      [150, 104, 62],
    ]),
  );
  const sail = climate.lit(
    random.pick<Rgb>([
      [244, 236, 216],
      [226, 122, 78],
      [232, 206, 150],
    ]),
  );
  const lean = random.between(-0.06, 0.06) * size;
  return [
    outline(
      'ripple',
      [
        [x - size * 0.4, y],
        [x + size * 0.4, y],
        [x + size * 0.22, y + size * 0.4],
        [x - size * 0.2, y + size * 0.3],
      ],
      { top: mix(scale(hull, 0.8), climate.skyBottom, 0.25), bottom: mix(sail, climate.skyBottom, 0.5) },
    ),
    outline(
      'object',
      [
        [x - size * 0.5, y - size * 0.13],
        [x + size * 0.5, y - size * 0.13],
        [x + size * 0.36, y + size * 0.04],
        [x - size * 0.36, y + size * 0.04],
      ],
      { top: hull },
    ),
    outline(
      'cloth',
      [
        [x + lean, y - size * 0.95],
        [x + size * 0.42, y - size * 0.2],
        [x + 0.4, y - size * 0.18],
      ],
      { top: sail, flow: 70 },
    ),
    outline(
      'cloth',
      [
        [x - 0.6 + lean, y - size * 0.86],
        [x - 0.8, y - size * 0.18],
        [x - size * 0.36, y - size * 0.22],
      ],
      { top: scale(sail, 0.86), flow: 110 },
    ),
  ];
}
