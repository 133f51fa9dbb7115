import { describe, expect, it } from '@jest/globals';
import type { CheckpointChoice } from '../../../src/domain/evaluation/checkpoint-ranking.ts';
import { checkpointCurves, checkpointSection } from '../../../src/reports/figures/checkpoint-curves.ts';
import type { ReportFile } from '../../../src/reports/pages/report-build.ts';
import { toHtml } from '../../../src/reports/render/html.ts';
import { toMarkdown } from '../../../src/reports/render/markdown-report.ts';
import { metric, shaOf } from '../../domain/report-in-test.ts';

const sampled = [150, 200, 250].map((step, i) => ({
  ...{ step, path: `checkpoints/step-${step}`, adapterSha256: shaOf('a'), heldOutLoss: 0.9 },
  ...{ style: metric(0.15 + i / 100, 0.02), diversity: metric(0.7, 0.05), copying: metric(0, 0.03) },
}));
const choice: CheckpointChoice = {
  ...{
    format: 1,
    key: shaOf('c'),
    chosen: 150,
    reason: 'step 150 wins: the earliest within one standard error',
  },
  curve: [50, 100, 150, 200, 250].map((step) => ({ step, loss: 1 - step / 2500, error: 0.02 })),
  sampled,
};

describe('the curves of the checkpoints', () => {
  it('draw every measured step with its interval, and the chosen one in another color', async () => {
    const svg = await checkpointCurves(choice);
    for (const title of ['held-out loss', 'style gained', 'diversity', 'close pictures'])
      expect(svg).toContain(title);
    expect(svg.match(/aria-roledescription="rule"|mark-rule/g)?.length).toBeGreaterThanOrEqual(4);
    expect(svg).toContain('#4a6fb3');
    expect(await checkpointCurves(choice)).toBe(svg);
    expect(await checkpointCurves({ ...choice, chosen: 999 })).not.toContain('#4a6fb3');
  });

  it('stand in both renderings of the report with the reason and a row a checkpoint', async () => {
    const files: ReportFile[] = [];
    const sections = await checkpointSection(choice, { files, source: '' });
    const document = {
      ...{ title: 't', subtitle: 's', outcome: { word: 'PASS', tone: 'good' as const, sentence: '' } },
      ...{ facts: [], sections, footer: [] },
    };
    for (const text of [toHtml(document), toMarkdown(document)]) {
      expect(text).toContain(choice.reason);
      for (const { step } of sampled) expect(text).toContain(String(step));
    }
    expect(files.map(({ path }) => path)).toEqual(['plots/checkpoints.svg', 'plots/checkpoints.png']);
  });

  it('are left out where there was nothing to choose from', async () => {
    expect(await checkpointSection(null, { files: [], source: '' })).toEqual([]);
  });
});
