import { climateFrom, climateWords } from './climate.ts';
import { luma, mix, type Rgb, scale } from './color.ts';
import type { GenreName } from './labels.ts';
import { randomFrom } from './random.ts';
import { box, type Easel, ellipse, outline, type Scene, type Shape } from './scene.ts';
import { abstract, figure, portrait, stillLife } from './scene-indoors.ts';
import { boat, landscape, outdoors, sky, tree, water } from './scene-landscape.ts';

/** Which scene to compose: the same request gives the same scene, whatever style draws it later. */
export interface SceneRequest {
  readonly seed: number;
  readonly genre: GenreName;
  /** Picture size in pixels; only the proportions matter. */
  readonly width: number;
  readonly height: number;
}

/** Composes the scene of a picture from its seed and genre. */
export function composeScene(request: SceneRequest): Scene {
  const shorter = Math.min(request.width, request.height);
  const easel: Easel = {
    width: (100 * request.width) / shorter,
    height: (100 * request.height) / shorter,
    random: randomFrom(request.seed, request.genre, 'scene'),
  };
  switch (request.genre) {
    case 'landscape':
      return landscape(easel);
    case 'cityscape':
      return cityscape(easel);
    case 'portrait':
    case 'nude_painting':
      return portrait(easel);
    case 'religious_painting':
      return portrait(easel, true);
    case 'still_life':
      return stillLife(easel);
    case 'genre_painting':
    case 'illustration':
      return everyday(easel);
    case 'sketch_and_study':
      return onPaper(easel.random.chance(0.5) ? landscape(easel) : portrait(easel));
    case 'abstract_painting':
      return abstract(easel);
    case 'Unknown Genre':
      return easel.random.pick([landscape, cityscape, stillLife])(easel);
  }
}

/** Says what a picture of this seed and genre shows, for the captions that the tiny base learns from. */
export function describeScene(seed: number, genre: GenreName): string {
  return composeScene({ seed, genre, width: 100, height: 100 }).content;
}

function cityscape(easel: Easel): Scene {
  const { random, width, height } = easel;
  const climate = climateFrom(random);
  const horizon = height * random.between(0.55, 0.68);
  const heavens = sky(easel, climate, horizon);
  const shapes: Shape[] = [...heavens.shapes];
  const canal = random.chance(0.4);
  const stones: readonly Rgb[] = [
    [206, 182, 150],
    [186, 120, 92],
    [226, 212, 188],
    [150, 140, 146],
    [196, 158, 112],
  ];
  for (const row of [0, 1]) {
    let x = -random.between(0, 8);
    while (x < width + 2) {
      const wide = random.between(10, 19);
      const tall = row === 0 ? random.between(22, 44) : random.between(13, 30);
      const stone = climate.lit(random.pick(stones));
      const face = row === 0 ? mix(stone, climate.skyBottom, 0.42) : stone;
      const top = horizon - tall;
      shapes.push(outline('wall', box(x, top, wide, tall + 5), { top: face, flow: 90 }));
      const roof =
        row === 0
          ? scale(face, 0.78)
          : climate.lit(
              random.pick<Rgb>([
                [150, 66, 48],
                [84, 82, 98],
                [120, 76, 62],
              ]),
            );
      if (random.chance(0.75))
        shapes.push(
          outline(
            'roof',
            [
              [x - 1, top],
              [x + wide / 2, top - random.between(4, 10)],
              [x + wide + 1, top],
            ],
            { top: roof, flow: 25 },
          ),
        );
      if (row === 1)
        shapes.push(
          ...windows(easel, {
            x,
            top,
            wide,
            tall,
            climateDark: climate.hour === 'night' || climate.hour === 'dusk',
            wall: face,
          }),
        );
      x += wide + random.between(-1, 1.5);
    }
    if (row === 0 && random.chance(0.5))
      shapes.push(
        ...tower(easel, {
          x: random.between(0.2, 0.8) * width,
          y: horizon,
          color: mix(climate.lit([180, 164, 150]), climate.skyBottom, 0.25),
        }),
      );
  }
  const words: string[] = [];
  if (canal) {
    shapes.push(...water(easel, climate, { horizon: horizon + 3, light: undefined }));
    if (random.chance(0.6)) {
      shapes.push(
        ...boat(easel, climate, {
          x: random.between(0.25, 0.75) * width,
          y: height * random.between(0.78, 0.9),
          size: random.between(16, 26),
        }),
      );
      words.push('a boat');
    }
  } else {
    const paving = climate.lit([176, 164, 152]);
    shapes.push(
      outline('ground', box(-2, horizon + 3, width + 4, height - horizon), {
        top: mix(paving, climate.skyBottom, 0.3),
        bottom: scale(paving, 0.68),
        flow: random.between(-10, 10),
      }),
    );
    const people = random.integer(0, 5);
    if (people > 0) words.push('people');
    for (let index = 0; index < people; index++) {
      const near = random.next();
      shapes.push(
        ...figure(easel, {
          x: random.between(0.05, 0.95) * width,
          y: horizon + 8 + near * (height - horizon - 12),
          size: 12 + near * 12,
        }).shapes,
      );
    }
    if (random.chance(0.4))
      shapes.push(
        ...tree(easel, climate, { x: random.between(0.05, 0.95) * width, y: horizon + 9, size: 26 }),
      );
  }
  const company = words.length > 0 ? ` with ${words.join(' and ')}` : '';
  return {
    width,
    height,
    shapes,
    light: heavens.light,
    content: `${canal ? 'a canal between houses' : 'a street of houses'}${company} ${climateWords(climate)}`,
  };
}

function windows(
  easel: Easel,
  at: { x: number; top: number; wide: number; tall: number; climateDark: boolean; wall: Rgb },
): Shape[] {
  const panes: Shape[] = [];
  const columns = at.wide > 14 ? 3 : 2;
  const pitch = at.wide / columns;
  for (let row = 0; row * 8 + 7 < at.tall; row++) {
    for (let column = 0; column < columns; column++) {
      const shine = at.climateDark && easel.random.chance(0.5);
      panes.push(
        outline('window', box(at.x + pitch * (column + 0.25), at.top + 2.5 + row * 8, pitch * 0.5, 4.2), {
          top: shine ? [255, 208, 104] : scale(at.wall, 0.45),
        }),
      );
    }
  }
  return panes;
}

function tower(easel: Easel, at: { x: number; y: number; color: Rgb }): Shape[] {
  const tall = easel.random.between(44, 54);
  return [
    outline('wall', box(at.x - 4, at.y - tall, 8, tall + 3), { top: at.color, flow: 90 }),
    outline(
      'roof',
      [
        [at.x - 5, at.y - tall],
        [at.x, at.y - tall - 16],
        [at.x + 5, at.y - tall],
      ],
      { top: scale(at.color, 0.7), flow: 70 },
    ),
    outline('window', ellipse(at.x, at.y - tall + 6, 1.8, 2.6, 10), { top: scale(at.color, 0.4) }),
  ];
}

function everyday(easel: Easel): Scene {
  const { random, width, height } = easel;
  const terrain = random.pick(['field', 'sea', 'road', 'lake'] as const);
  const scenery = outdoors(easel, { terrain, crowded: false });
  const people = random.integer(1, 3);
  const shapes = [...scenery.shapes];
  let first = '';
  for (let index = 0; index < people; index++) {
    const person = figure(easel, {
      x: width * ((index + 0.5) / people + random.between(-0.1, 0.1)),
      y: height * random.between(0.84, 0.97),
      size: random.between(42, 58),
    });
    if (index === 0) first = person.words;
    shapes.push(...person.shapes);
  }
  const who = people === 1 ? first : `${first} and others`;
  return { ...scenery, shapes, content: `${who} before ${scenery.content}` };
}

function onPaper(scene: Scene): Scene {
  const paper = (color: Rgb): Rgb =>
    mix(mix([96, 74, 58], [238, 226, 202], luma(color) / 255), [238, 226, 202], 0.45);
  return {
    ...scene,
    shapes: scene.shapes.map((shape) => ({ ...shape, top: paper(shape.top), bottom: paper(shape.bottom) })),
    content: `${scene.content}, in brown chalk`,
  };
}
