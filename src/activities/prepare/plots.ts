import { countNames, histogramOf } from '../../domain/dataset/analysis.ts';
import { countBars, histogramPlot } from '../../reports/figures/plots.ts';
import type { Placed } from './dataset-input.ts';

/** A plot on the dataset's card; as SVG its bytes do not depend on the machine's fonts. */
export interface CardPlot {
  path: string;
  title: string;
}

const ARTISTS_SHOWN = 20;

const TRAIN_PLOTS = [
  {
    path: 'preview/genres.svg',
    title: 'Training pictures by genre',
    draw: (train: readonly Placed[]) =>
      countBars(named(countNames(train.map(({ candidate }) => candidate.genre)))),
  },
  {
    path: 'preview/artists.svg',
    title: `Training pictures by artist, the ${ARTISTS_SHOWN} most frequent`,
    draw: (train: readonly Placed[]) =>
      countBars(named(countNames(train.map(({ candidate }) => candidate.artist)).slice(0, ARTISTS_SHOWN))),
  },
  {
    path: 'preview/short-sides.svg',
    title: 'Training pictures by their shorter side inside the frame',
    draw: (train: readonly Placed[]) =>
      histogramPlot(
        histogramOf(train.map(({ candidate: { measures } }) => Math.min(measures.box[2], measures.box[3]))),
        'pixels',
      ),
  },
] as const;

const DROPPED_PLOT: CardPlot = {
  path: 'preview/left-out.svg',
  title: 'Pictures of the style left out, by reason',
};

/** Every plot that a card may have, in its order. */
export const CARD_PLOTS: readonly CardPlot[] = [
  ...TRAIN_PLOTS.map(({ path, title }) => ({ path, title })),
  DROPPED_PLOT,
];

/** Draws what there is to show: training pictures and counts by reason; the sealed test split is in no plot. */
export async function drawCardPlots(
  placed: readonly Placed[],
  dropped: Readonly<Record<string, number>>,
): Promise<(CardPlot & { svg: string })[]> {
  const train = placed.filter(({ split }) => split === 'train');
  const drawn: (CardPlot & { svg: string })[] = [];
  if (train.length > 0)
    for (const { path, title, draw } of TRAIN_PLOTS) drawn.push({ path, title, svg: await draw(train) });
  // Pictures of other styles are no fault of the source's, and so many that no other bar would be seen.
  const { 'other-style': _, ...faults } = dropped;
  if (Object.values(faults).some((count) => count > 0))
    drawn.push({ ...DROPPED_PLOT, svg: await countBars(faults) });
  return drawn;
}

function named(counts: readonly { name: string; count: number }[]): Record<string, number> {
  return Object.fromEntries(counts.map(({ name, count }) => [name || 'unknown', count]));
}
