import { expect, it } from '@jest/globals';
import { parseRunConfig } from '../../../src/domain/config/run-config.ts';
import { promptCoverage } from '../../../src/domain/dataset/prompt-coverage.ts';
import { labelDoubts, STYLE_FEATURES } from '../../../src/domain/dataset/style.ts';
import { picturesToPaint } from '../../../src/domain/evaluation/sample-set.ts';
import { forecast, impossibleBudget } from '../../../src/domain/training/forecast.ts';
import { pictureTeraFlops, trainingNeeds } from '../../../src/domain/training/needs.ts';

/** A picture whose features lie around the style's own place, spread by its number. */
function pictureOf(style: string, at: number, looksLike = style) {
  const center = looksLike === 'Impressionism' ? 0 : 4;
  const features = STYLE_FEATURES.map((_, f) => center + Math.sin(at * 7.1 + f * 3.3));
  return { id: `${style}-${at}`, style, features };
}

it('doubts the one picture that sits with another style, and no other', () => {
  const pictures = Array.from({ length: 40 }, (_, at) => [
    pictureOf('Impressionism', at, at === 7 ? 'Cubism' : 'Impressionism'),
    pictureOf('Cubism', at),
  ]).flat();
  const doubts = labelDoubts(pictures, 'Impressionism', 4);
  expect(doubts.map(({ id, looksLike }) => [id, looksLike])).toEqual([['Impressionism-7', 'Cubism']]);
});

it('has no doubt where there is nothing to compare with', () => {
  expect(labelDoubts([pictureOf('Impressionism', 1)], 'Impressionism', 4)).toEqual([]);
});

it('finds the words of a prompt that no caption has, whatever their number', () => {
  const [boats] = promptCoverage(['a river with boats'], ['a boat on the sea, plnr', 'a tree, plnr'], 'plnr');
  expect(boats).toMatchObject({ known: ['boat'], unknown: ['river'], pictures: 1 });
});

it('forecasts a step of FLUX.1-dev at 768 pixels within the range that is measured on an A100', () => {
  const flux = { num_layers: 19, num_single_layers: 38, attention_head_dim: 128, num_attention_heads: 24 };
  const parsed = parseRunConfig({ profile: 'a100' });
  if (!parsed.ok) throw new Error('expected the profile to parse');
  const { training } = parsed.value;
  const [t4, , a100] = forecast({
    ...{ ...trainingNeeds(flux, training, 768), training },
    paintingTeraFlops: picturesToPaint(parsed.value, false) * pictureTeraFlops(flux, parsed.value.evaluation),
  });
  expect(t4?.fits).toBe(false);
  expect(a100?.secondsPerStep).toBeGreaterThan(1);
  expect(a100?.secondsPerStep).toBeLessThan(8);
  expect(a100?.fits).toBe(true);
  // 712 pictures of 28 steps; an A100 is known to need 10 to 20 s for one of this size.
  expect(a100?.evaluationHours).toBeGreaterThan((712 * 5) / 3600);
  expect(a100?.evaluationHours).toBeLessThan((712 * 20) / 3600);
});

it('forecasts half the painting where the base’s pictures are shared already and no checkpoint is chosen', () => {
  const parsed = parseRunConfig({ profile: 'a100', evaluation: { checkpoints: 1 } });
  if (!parsed.ok) throw new Error('expected the profile to parse');
  expect(picturesToPaint(parsed.value, true) * 2).toBe(picturesToPaint(parsed.value, false));
});

it('calls a budget impossible only when it is far too small on the fastest GPU that fits', () => {
  const facts = {
    teraFlops: 1000,
    vramBytes: 50e9,
    paintingTeraFlops: 0,
    training: { steps: 10_000, accumulation: 4 },
  };
  const forecasts = forecast(facts);
  const h100 = forecasts[3]?.hours ?? 0;
  expect(impossibleBudget(forecasts, { gpuHours: h100 / 2 })).toBeNull();
  expect(impossibleBudget(forecasts, { gpuHours: h100 / 5 })).toMatch(/fastest GPU \(H100\)/);
  expect(impossibleBudget(forecast({ ...facts, vramBytes: 1e12 }), { gpuHours: 1000 })).toMatch(
    /more memory/,
  );
});
