import { mix, type Rgb, saturate, scale } from './color.ts';
import type { Random } from './random.ts';

/** Season and hour decide a scene's colors, so that words in a caption have something to mean. */
export interface Climate {
  readonly season: 'spring' | 'summer' | 'autumn' | 'winter';
  readonly hour: 'dawn' | 'day' | 'dusk' | 'night';
  readonly skyTop: Rgb;
  readonly skyBottom: Rgb;
  readonly light: Rgb;
  /** Puts a local color under this hour's light. */
  lit(color: Rgb): Rgb;
}

const SKIES = {
  dawn: {
    top: [150, 165, 212],
    bottom: [252, 208, 184],
    light: [255, 226, 170],
    tint: [255, 214, 196],
    weight: 0.16,
    gain: 0.98,
  },
  day: {
    top: [84, 142, 206],
    bottom: [196, 221, 238],
    light: [255, 243, 190],
    tint: [255, 250, 225],
    weight: 0.06,
    gain: 1.04,
  },
  dusk: {
    top: [98, 78, 140],
    bottom: [250, 156, 88],
    light: [255, 176, 78],
    tint: [232, 120, 84],
    weight: 0.26,
    gain: 0.82,
  },
  night: {
    top: [14, 20, 54],
    bottom: [48, 62, 116],
    light: [246, 240, 205],
    tint: [30, 44, 108],
    weight: 0.46,
    gain: 0.5,
  },
} as const;

/** Draws a season and an hour, day the most often. */
export function climateFrom(random: Random): Climate {
  const season = random.pick(['spring', 'summer', 'autumn', 'winter'] as const);
  const hour = random.pick(['dawn', 'day', 'day', 'dusk', 'dusk', 'night'] as const);
  const sky = SKIES[hour];
  const drift = random.between(-0.08, 0.08);
  return {
    season,
    hour,
    skyTop: scale(sky.top, 1 + drift),
    skyBottom: scale(sky.bottom, 1 + drift / 2),
    light: sky.light,
    lit: (color) => mix(scale(color, sky.gain), sky.tint, sky.weight),
  };
}

const GRASS = {
  spring: [132, 182, 84],
  summer: [92, 148, 58],
  autumn: [186, 142, 62],
  winter: [226, 234, 242],
} as const;

const LEAVES = {
  spring: [
    [150, 196, 96],
    [226, 168, 190],
    [120, 176, 90],
  ],
  summer: [
    [58, 118, 52],
    [78, 136, 58],
    [46, 100, 62],
  ],
  autumn: [
    [206, 112, 44],
    [188, 74, 44],
    [218, 164, 58],
  ],
  winter: [
    [150, 156, 166],
    [196, 206, 216],
    [104, 114, 120],
  ],
} as const;

/** The ground's local color in a season. */
export function grass(climate: Climate, random: Random): Rgb {
  return saturate(scale(GRASS[climate.season], random.between(0.92, 1.08)), random.between(0.85, 1.15));
}

/** A tree's local color in a season. */
export function leaves(climate: Climate, random: Random): Rgb {
  return scale(random.pick<Rgb>(LEAVES[climate.season]), random.between(0.86, 1.12));
}

/** The words a caption uses for the climate. */
export function climateWords(climate: Climate): string {
  return climate.hour === 'day' ? `in ${climate.season}` : `at ${climate.hour}`;
}
