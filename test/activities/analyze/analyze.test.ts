import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import sharp from 'sharp';
import { createAnalyze } from '../../../src/activities/analyze/analyze.ts';
import { runSamples } from '../../../src/activities/evaluate/cache-key.ts';
import { shareBaseScores, sharedSamples } from '../../../src/activities/evaluate/shared-samples.ts';
import { AnalysisRecord } from '../../../src/domain/dataset/analysis.ts';
import type { PreparedDataset } from '../../../src/domain/dataset/prepared-dataset.ts';
import type { EvaluationReport } from '../../../src/domain/evaluation/report.ts';
import { RepoId } from '../../../src/domain/refs.ts';
import type { RunContext } from '../../../src/domain/run/context.ts';
import { ACCELERATOR_NAMES } from '../../../src/domain/training/accelerators.ts';
import { wikiArtParquet } from '../../wikiart/parquet-in-test.ts';
import { type DatasetInTest, startDatasetInTest } from '../dataset-in-test.ts';
import { dyingHub } from '../run-in-test.ts';
import { soundRows } from '../source-in-test.ts';

const PREPARE = { neighborsPerStyle: 4 };

let world: DatasetInTest;
let context: (config?: Record<string, unknown>) => RunContext;
let prepared: PreparedDataset;

beforeAll(async () => {
  world = await startDatasetInTest();
  const rows = await soundRows(48);
  context = await world.seed('small-wikiart', [
    { path: 'data/train-00000-of-00001.parquet', content: wikiArtParquet(rows, { groupRows: 16 }) },
  ]);
  prepared = await world.prepare(context({ dataset: PREPARE }));
}, 240_000);

afterAll(() => world.close());

function analyze(config: Record<string, unknown>, of: PreparedDataset = prepared) {
  return createAnalyze({ hub: world.hub })({ context: context(config), dataset: of });
}

describe('analyze', () => {
  it('blocks a dataset with too few training pictures and says what to do', async () => {
    const analysis = await analyze({ dataset: { ...PREPARE, minTrainingImages: 500 } });
    expect(analysis.verdict).toBe('blocked');
    expect(analysis.reasons[0]).toMatch(/Expected at least 500 training pictures .* got \d+: widen/);
  });

  it('warns when each picture is seen more than 200 times', async () => {
    const analysis = await analyze({
      dataset: { ...PREPARE, minTrainingImages: 8 },
      training: { steps: 20_000 },
    });
    expect(analysis.verdict).toBe('warnings');
    expect(analysis.reasons.join('\n')).toMatch(/seen \d+ times: the adapter may learn pictures by heart/);
  });

  it('finds a clean dataset of fitting size ready', async () => {
    const analysis = await analyze({ dataset: { ...PREPARE, minTrainingImages: 8 } });
    expect(analysis.verdict).toBe('ready');
  });

  it('records distributions whose counts are the number of training pictures', async () => {
    const analysis = await analyze({ dataset: { ...PREPARE, minTrainingImages: 8 } });
    const bytes = await world.hub.read(analysis.record, analysis.record.commit, analysis.record.path);
    const record = AnalysisRecord.parse(JSON.parse(bytes?.toString('utf8') ?? 'null'));
    const { distributions: d } = record;
    const sum = (counts: number[]) => counts.reduce((a, b) => a + b, 0);
    for (const names of [d.artist, d.genre, d.caption, d.bucket])
      expect(sum(names.map(({ count }) => count))).toBe(prepared.images.train);
    for (const histogram of [d.aspect, d.brightness, d.captionWords, d.chroma, d.sharpness, d.shortSide])
      expect(sum(histogram.counts)).toBe(prepared.images.train);
  });

  it('puts a contact sheet of the kept pictures beside the record', async () => {
    const { record } = await analyze({ dataset: { ...PREPARE, minTrainingImages: 8 } });
    const sheet = await world.hub.read(record, record.commit, 'records/kept.png');
    const { width, height } = await sharp(sheet as Buffer).metadata();
    expect(width).toBeGreaterThan(900);
    expect(height).toBeGreaterThan(200);
  });

  it('counts every caption’s tokens and blocks a budget that no GPU can meet', async () => {
    const flux = { num_layers: 19, num_single_layers: 38, attention_head_dim: 128, num_attention_heads: 24 };
    const tokenizer = (name: string) => readFileSync(join('gpu-worker/tiny-base/tokenizer', name));
    const base = { type: 'model' as const, repo: RepoId.parse('plein-air/large-base') };
    await world.hub.ensureRepo(base);
    const commit = await world.hub.commit({
      repo: base,
      message: 'Shape and tokenizer',
      files: [
        { path: 'transformer/config.json', content: JSON.stringify(flux) },
        ...['tokenizer.json', 'tokenizer_config.json'].map((name) => ({
          path: `tokenizer/${name}`,
          content: tokenizer(name),
        })),
      ],
    });
    const config = {
      dataset: { ...PREPARE, resolution: 1024, minTrainingImages: 8 },
      training: { steps: 100_000, batchSize: 1, accumulation: 8, gradientCheckpointing: true },
      budget: { gpuHours: 1 },
    };
    const analysis = await createAnalyze({ hub: world.hub })({
      context: { ...context(config), base: { ...base, commit } },
      dataset: prepared,
    });
    expect(analysis.verdict).toBe('blocked');
    expect(analysis.reasons.join('\n')).toMatch(/fit into 1 GPU hours .* got a forecast of \d+ h/);
    const bytes = await world.hub.read(analysis.record, analysis.record.commit, analysis.record.path);
    const record = AnalysisRecord.parse(JSON.parse(bytes?.toString('utf8') ?? 'null'));
    // Two marks, "a landscape painting", a comma, and the trigger's words.
    expect(record.tokens.clip?.longest).toBeGreaterThan(7);
    expect(record.tokens.clip?.cut).toBe(0);
    expect(record.tokens.t5).toBeNull();
    expect(record.forecast.map(({ gpu }) => gpu)).toEqual(ACCELERATOR_NAMES);
    // FLUX.1-dev's transformer alone is 23.8 GB in bf16.
    expect(record.vramBytes).toBeGreaterThan(23.8e9);
    expect(record.forecast[0]?.fits).toBe(false);
  });

  it('shows the base’s own scores once an evaluation against this dataset has measured them', async () => {
    const run = context({ dataset: { ...PREPARE, minTrainingImages: 8 } });
    const shared = sharedSamples(run, runSamples(run).sha256);
    await world.hub.ensureRepo(shared.repo);
    const picture = { path: `${shared.folder}/manifest.json`, content: '{}' };
    await world.hub.commit({ repo: shared.repo, message: 'Pictures of the base', files: [picture] });
    const figure = { estimate: 0.125, low: 0.1, high: 0.2, n: 40, method: 'in test' };
    const metrics = { 'kid.base': figure, 'kid.candidate': { ...figure, estimate: 0.5 } };
    const report = { metrics, encoder: { name: 'in test' } } as unknown as EvaluationReport;
    const { commit: dataset } = prepared.dataset;
    await shareBaseScores({ hub: world.hub, shared, dataset, report });
    // The same figures again are no news.
    await shareBaseScores({ hub: dyingHub(world.hub, 2, 'before'), shared, dataset, report });
    const { record } = await createAnalyze({ hub: world.hub })({ context: run, dataset: prepared });
    const text = (await world.hub.read(record, record.commit, 'analysis/report.md'))?.toString('utf8');
    expect(text).toMatch(/kid\.base.*0\.125/);
    expect(text).not.toContain('kid.candidate');
  });

  it('writes a page that needs no network, with plots and contact sheets in it', async () => {
    const { record } = await analyze({ dataset: { ...PREPARE, minTrainingImages: 8 } });
    const html = (await world.hub.read(record, record.commit, 'analysis/index.html'))?.toString('utf8') ?? '';
    expect(html).toContain('<svg');
    expect(html).toContain('data:image/webp;base64,');
    expect(html.match(/(?:src|href)="https?:/g)).toBeNull();
    const markdown =
      (await world.hub.read(record, record.commit, 'analysis/report.md'))?.toString('utf8') ?? '';
    for (const [, path] of markdown.matchAll(/!\[[^\]]*\]\(([^)]+)\)/g)) {
      const at = path?.startsWith('../') ? path.slice(3) : `analysis/${path}`;
      expect(await world.hub.read(record, record.commit, at)).not.toBeNull();
    }
  });

  it('writes nothing the second time', async () => {
    const config = { dataset: { ...PREPARE, minTrainingImages: 8 } };
    const first = await analyze(config);
    const head = await world.hub.resolve({ type: 'dataset', repo: RepoId.parse('plein-air/test-record') });
    expect(await analyze(config)).toEqual({
      ...first,
      record: { ...first.record, commit: head },
      cached: true,
    });
  });

  it('predicts the bytes of a checkpoint from the shape of the base', async () => {
    const base = { type: 'model' as const, repo: RepoId.parse('plein-air/shaped-base') };
    await world.hub.ensureRepo(base);
    const shape = { num_layers: 19, num_single_layers: 38, attention_head_dim: 128, num_attention_heads: 24 };
    const commit = await world.hub.commit({
      repo: base,
      message: 'Shape',
      files: [{ path: 'transformer/config.json', content: JSON.stringify(shape) }],
    });
    const config = {
      dataset: { ...PREPARE, minTrainingImages: 8 },
      training: { rank: 16, targets: 'attention' },
    };
    const { record } = await createAnalyze({ hub: world.hub })({
      context: { ...context(config), base: { ...base, commit } },
      dataset: prepared,
    });
    const bytes = await world.hub.read(record, record.commit, record.path);
    const { adapter } = AnalysisRecord.parse(JSON.parse(bytes?.toString('utf8') ?? 'null'));
    expect(adapter?.parameters).toBe(26_148_864);
    expect(Math.round((adapter?.checkpointBytes ?? 0) / 1e6)).toBe(314);
  });
});
