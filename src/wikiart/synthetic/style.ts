import type { Rgb } from './color.ts';
import type { StyleName } from './labels.ts';
import type { Random } from './random.ts';
import type { Scene } from './scene.ts';
import { paintDots } from './style-dots.ts';
import { type Facets, paintFacets } from './style-facets.ts';
import { type Flat, paintFlat } from './style-flat.ts';
import { paintColorField, paintGestures, paintMinimal } from './style-planes.ts';
import { paintSmooth, type Smooth } from './style-smooth.ts';
import { type Brush, paintStrokes } from './style-strokes.ts';

type Pixels = { width: number; height: number };

const IMPRESSIONIST: Brush = {
  strokes: 820,
  length: [5, 9.5],
  width: [1.9, 3.2],
  stray: 16,
  broken: 17,
  saturation: 1.15,
  lighten: 0.14,
  violet: 0.55,
  swirl: 0,
  contour: 0,
  contourColor: [0, 0, 0],
  distort: 0,
};
const POST: Brush = {
  strokes: 620,
  length: [9, 17],
  width: [2.2, 3.6],
  stray: 6,
  broken: 12,
  saturation: 1.5,
  lighten: 0,
  violet: 0.2,
  swirl: 42,
  contour: 0.9,
  contourColor: [28, 34, 86],
  distort: 0.8,
};
const EXPRESSIONIST: Brush = {
  strokes: 260,
  length: [10, 20],
  width: [4.4, 7],
  stray: 30,
  broken: 24,
  saturation: 2,
  lighten: 0,
  violet: 0,
  swirl: 20,
  contour: 1.7,
  contourColor: [16, 12, 20],
  distort: 3.4,
};
const FAUVE: Brush = {
  strokes: 240,
  length: [5, 9],
  width: [5, 8],
  stray: 40,
  broken: 40,
  saturation: 2.3,
  lighten: 0.06,
  violet: 0.4,
  swirl: 0,
  contour: 0.8,
  contourColor: [30, 60, 130],
  distort: 1.2,
};

const CUBIST: Facets = {
  pitch: 15.5,
  displaced: 2.6,
  saturation: 0.75,
  tint: [164, 136, 98],
  tinted: 0.26,
  line: 0.5,
};
const UKIYO_PALETTE: readonly Rgb[] = [
  [238, 226, 196],
  [28, 54, 96],
  [72, 116, 154],
  [150, 182, 190],
  [206, 162, 96],
  [196, 74, 52],
  [98, 122, 78],
  [52, 46, 46],
  [226, 196, 164],
];
const POP_PALETTE: readonly Rgb[] = [
  [255, 236, 60],
  [236, 40, 60],
  [40, 110, 220],
  [255, 255, 255],
  [20, 20, 20],
  [250, 150, 190],
  [60, 190, 120],
];
const UKIYO: Flat = {
  skin: [
    [240, 214, 180],
    [206, 162, 120],
  ],
  palette: UKIYO_PALETTE,
  saturation: 1,
  line: 0.5,
  ink: [40, 36, 44],
  curved: true,
  wiped: [30, 56, 100],
  halftone: false,
};
const REAL: Smooth = {
  saturation: 0.86,
  tint: [128, 116, 96],
  tinted: 0.14,
  gain: 0.94,
  vignette: 0.2,
  glow: 0.06,
  haze: 0,
};

/** Draws a scene in a style; the result is SVG that the same seed and scene always give. */
export function draw(scene: Scene, pixels: Pixels, style: StyleName, random: Random): string {
  switch (style) {
    case 'Impressionism':
      return paintStrokes(scene, pixels, IMPRESSIONIST, random);
    case 'Post_Impressionism':
      return paintStrokes(scene, pixels, POST, random);
    case 'Expressionism':
      return paintStrokes(scene, pixels, EXPRESSIONIST, random);
    case 'Fauvism':
      return paintStrokes(scene, pixels, FAUVE, random);
    case 'Pointillism':
      return paintDots(scene, pixels, random);
    case 'Cubism':
      return paintFacets(scene, pixels, CUBIST, random);
    case 'Analytical_Cubism':
      return paintFacets(
        scene,
        pixels,
        {
          ...CUBIST,
          pitch: 12,
          displaced: 4,
          saturation: 0.25,
          tinted: 0.5,
          line: 0.4,
          tint: [126, 104, 74],
        },
        random,
      );
    case 'Synthetic_Cubism':
      return paintFacets(
        scene,
        pixels,
        { ...CUBIST, pitch: 23, displaced: 4, saturation: 1.35, tinted: 0.06, line: 0.8 },
        random,
      );
    case 'Ukiyo_e':
      return paintFlat(scene, pixels, UKIYO, random);
    case 'Art_Nouveau':
      return paintFlat(
        scene,
        pixels,
        {
          ...UKIYO,
          palette: undefined,
          saturation: 0.72,
          line: 1.3,
          ink: [92, 62, 30],
          wiped: [206, 170, 96],
        },
        random,
      );
    case 'Pop_Art':
      return paintFlat(
        scene,
        pixels,
        {
          palette: POP_PALETTE,
          saturation: 2.2,
          line: 1.3,
          ink: [10, 10, 10],
          curved: false,
          wiped: undefined,
          halftone: true,
        },
        random,
      );
    case 'Naive_Art_Primitivism':
      return paintFlat(
        scene,
        pixels,
        {
          palette: undefined,
          saturation: 1.7,
          line: 0.4,
          ink: [50, 46, 60],
          curved: false,
          wiped: undefined,
          halftone: false,
        },
        random,
      );
    case 'New_Realism':
      return paintFlat(
        scene,
        pixels,
        {
          palette: undefined,
          saturation: 0.7,
          line: 0.25,
          ink: [60, 60, 60],
          curved: false,
          wiped: undefined,
          halftone: false,
        },
        random,
      );
    case 'Minimalism':
      return paintMinimal(scene, pixels);
    case 'Color_Field_Painting':
      return paintColorField(scene, pixels, random);
    case 'Abstract_Expressionism':
      return paintGestures(scene, pixels, { sweeps: 16, drips: 20 }, random);
    case 'Action_painting':
      return paintGestures(scene, pixels, { sweeps: 2, drips: 110 }, random);
    case 'Realism':
      return paintSmooth(scene, pixels, REAL);
    case 'Contemporary_Realism':
      return paintSmooth(scene, pixels, { ...REAL, saturation: 1.05, tinted: 0, gain: 1.04, vignette: 0 });
    case 'Romanticism':
      return paintSmooth(scene, pixels, {
        ...REAL,
        saturation: 1.15,
        tint: [150, 84, 40],
        tinted: 0.24,
        gain: 0.86,
        vignette: 0.72,
        glow: 0.5,
        haze: 0.35,
      });
    case 'Baroque':
      return paintSmooth(scene, pixels, {
        ...REAL,
        saturation: 0.9,
        tint: [70, 42, 22],
        tinted: 0.3,
        gain: 0.84,
        vignette: 0.94,
        glow: 0.3,
      });
    case 'Rococo':
      return paintSmooth(scene, pixels, {
        ...REAL,
        saturation: 0.8,
        tint: [248, 214, 208],
        tinted: 0.42,
        gain: 1.03,
        vignette: 0,
        glow: 0.16,
        haze: 0.45,
      });
    case 'Symbolism':
      return paintSmooth(scene, pixels, {
        ...REAL,
        saturation: 0.7,
        tint: [70, 98, 122],
        tinted: 0.42,
        gain: 0.86,
        vignette: 0.5,
        glow: 0.16,
        haze: 0.9,
      });
    case 'Early_Renaissance':
      return paintSmooth(scene, pixels, {
        ...REAL,
        saturation: 1,
        tint: [206, 164, 84],
        tinted: 0.26,
        gain: 1,
        vignette: 0.1,
      });
    case 'High_Renaissance':
      return paintSmooth(scene, pixels, {
        ...REAL,
        tint: [120, 98, 58],
        tinted: 0.32,
        vignette: 0.45,
        haze: 0.7,
      });
    case 'Northern_Renaissance':
      return paintSmooth(scene, pixels, {
        ...REAL,
        saturation: 1.1,
        tint: [70, 84, 62],
        tinted: 0.26,
        gain: 0.86,
        vignette: 0.3,
      });
    case 'Mannerism_Late_Renaissance':
      return paintSmooth(scene, pixels, {
        ...REAL,
        saturation: 1.3,
        tint: [96, 92, 140],
        tinted: 0.22,
        vignette: 0.4,
      });
  }
}
