import { FOLLOWED, type HistoryEntry } from '../../domain/evaluation/drift.ts';
import { PIGMENTS } from '../render/palette.ts';
import { renderSvg } from './plots.ts';

/** A model's re-evaluations over time: each followed figure with its interval, verdicts by color. */
export async function historyPlot(history: readonly HistoryEntry[], width = 520): Promise<string> {
  return renderSvg({
    spacing: 10,
    vconcat: FOLLOWED.map((name) => ({
      width,
      height: 90,
      data: {
        values: history.flatMap(({ at, verdict, metrics }) => {
          const figure = metrics[name];
          return figure == null || figure.estimate === null ? [] : [{ at, verdict, ...figure }];
        }),
      },
      encoding: {
        x: { field: 'at', type: 'temporal', timeUnit: 'utcyearmonthdatehoursminutes', title: null },
      },
      layer: [
        {
          mark: { type: 'rule', strokeWidth: 3, opacity: 0.4, color: PIGMENTS.stone },
          encoding: {
            y: { field: 'low', type: 'quantitative', title: name, scale: { zero: false } },
            y2: { field: 'high' },
          },
        },
        {
          mark: { type: 'line', color: PIGMENTS.stone, strokeWidth: 1 },
          encoding: { y: { field: 'estimate', type: 'quantitative' } },
        },
        {
          mark: { type: 'point', filled: true, size: 50, opacity: 1 },
          encoding: {
            y: { field: 'estimate', type: 'quantitative' },
            color: {
              field: 'verdict',
              type: 'nominal',
              scale: {
                domain: ['PASS', 'INCONCLUSIVE', 'FAIL'],
                range: [PIGMENTS.viridian, PIGMENTS.ochre, PIGMENTS.madder],
              },
            },
          },
        },
      ],
    })),
  });
}
