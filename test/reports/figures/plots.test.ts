import { describe, expect, it } from '@jest/globals';
import sharp from 'sharp';
import {
  countBars,
  intervalPlot,
  smooth,
  svgToPng,
  trainingCurves,
} from '../../../src/reports/figures/plots.ts';

const curves = {
  loss: Array.from({ length: 60 }, (_, i) => ({ step: i + 1, value: 1 / (i + 1) + 0.1 * Math.sin(i) })),
  heldOut: [
    { step: 20, value: 0.5 },
    { step: 40, value: 0.4 },
    { step: 60, value: 0.42 },
  ],
  learningRate: Array.from({ length: 60 }, (_, i) => ({ step: i + 1, value: 1e-3 * Math.cos(i / 40) })),
  preemptions: [33],
};

describe('plots', () => {
  it('draws the same training curves to the same bytes', async () => {
    const first = await trainingCurves(curves);
    expect((await trainingCurves(structuredClone(curves))) === first).toBe(true);
    expect(first.slice(0, 4)).toBe('<svg');
    expect(first.includes('held-out loss')).toBe(true);
  });

  it('draws bars to the same bytes, whatever was drawn before', async () => {
    const first = await countBars({ a: 1, b: 2 });
    await countBars({ c: 3 });
    expect((await countBars({ a: 1, b: 2 })) === first).toBe(true);
  });

  it('marks a preemption with a dashed line that is absent without one', async () => {
    expect((await trainingCurves(curves)).includes('stroke-dasharray="3,3"')).toBe(true);
    expect((await trainingCurves({ ...curves, preemptions: [] })).includes('stroke-dasharray="3,3"')).toBe(
      false,
    );
  });

  it('draws curves of a run that died before its first held-out loss', async () => {
    const svg = await trainingCurves({
      loss: curves.loss.slice(0, 2),
      heldOut: [],
      learningRate: [],
      preemptions: [],
    });
    expect(svg.includes('NaN')).toBe(false);
  });

  it('shows every metric of the gate with its threshold', async () => {
    const svg = await intervalPlot([
      { metric: 'kid.improvement', low: 0.01, value: 0.02, high: 0.03, threshold: 0, holds: true },
      { metric: 'copying', low: 0.2, value: 0.2, high: 0.2, threshold: null, holds: null },
    ]);
    expect(svg.includes('kid.improvement')).toBe(true);
    expect(svg.includes('copying')).toBe(true);
    expect(svg.includes('NaN')).toBe(false);
  });

  it('orders bars by count and leaves zeros out', async () => {
    const svg = await countBars({ blurred: 0, 'too-small': 3, corrupt: 7 }, { accent: 'corrupt' });
    expect(svg.indexOf('corrupt')).toBeLessThan(svg.indexOf('too-small'));
    expect(svg.includes('blurred')).toBe(false);
  });

  it('smooths without a bias at the start', () => {
    expect(
      smooth([
        { step: 1, value: 4 },
        { step: 2, value: 4 },
      ]).map((p) => p.value),
    ).toEqual([4, 4]);
  });

  it('turns a plot into a picture of twice its size', async () => {
    const svg = await countBars({ a: 1 });
    const width = Number(/width="(\d+)"/.exec(svg)?.[1]);
    const meta = await sharp(await svgToPng(svg)).metadata();
    expect(Math.abs((meta.width ?? 0) - 2 * width)).toBeLessThanOrEqual(2);
  });
});
