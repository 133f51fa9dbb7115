import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { rebuildDatasetCard } from '../../../../src/activities/document/rebuild-dataset-card.ts';
import { createCaptionPictures } from '../../../../src/activities/prepare/captions/caption.ts';
import { CaptionResults, captionResults } from '../../../../src/activities/prepare/captions/work-repo.ts';
import { contentOf } from '../../../../src/domain/dataset/caption-content.ts';
import { DatasetManifest } from '../../../../src/domain/dataset/record.ts';
import { RENOWNED_PAINTERS } from '../../../../src/domain/dataset/renowned-painters.ts';
import type { RunContext } from '../../../../src/domain/run/context.ts';
import type { Hub } from '../../../../src/hub/hub.ts';
import type { Trainer } from '../../../../src/trainer/trainer.ts';
import { tokenCounters } from '../../../../src/wikiart/caption-tokens.ts';
import { readDatasetRows } from '../../../../src/wikiart/dataset-rows.ts';
import type { PreparationResult } from '../../../../src/workflows/prepare.ts';
import { type CaptionStand, openCaptionStand, PIECE } from '../../caption-stand.ts';

const input = (repo: string, change: object = {}) => ({
  dataset: {
    ...{ source: 'plein-air/small-wikiart', neighborsPerStyle: 3, minTrainingImages: 4 },
    captioner: { repo: `plein-air/${repo}`, maxTokens: 20, batchSize: 3 },
    ...change,
  },
});

let stand: CaptionStand;
let first: PreparationResult;
/** What the model said, by picture, in the first preparation. */
let said: Map<string, string>;

beforeAll(async () => {
  stand = await openCaptionStand();
  const told = listening(stand.trainer);
  said = told.texts;
  first = await stand.prepare('first', input('seeing'), told.trainer);
}, 300_000);

afterAll(() => stand?.close(), 60_000);

/** The trainer, with an ear on what it answers; `onPicture` hears of every batch. */
function listening(trainer: Trainer, onPicture: (call: number, done: number) => void = () => undefined) {
  const texts = new Map<string, string>();
  const asked: string[][] = [];
  const call = (async (verb, params, options) => {
    const number = asked.length;
    if ('pictures' in params) asked.push(params.pictures.map(({ id }) => id));
    const result = await trainer.call(verb, params, {
      ...options,
      onEvent: (event) => {
        options?.onEvent?.(event);
        if (event.event === 'progress' && event.stage === 'captions') onPicture(number, event.done);
      },
    });
    if ('captions' in result && Array.isArray(result.captions))
      for (const { id, text } of result.captions) texts.set(id, text);
    return result;
  }) as Trainer['call'];
  return { texts, asked, trainer: { ...bound(trainer), call } as Trainer };
}

const bound = (trainer: Trainer) => ({
  checkpoint: () => trainer.checkpoint(),
  kill: () => trainer.kill(),
  close: () => trainer.close(),
});

const rowsOf = (result: PreparationResult, split: 'train' | 'held_out' | 'test' | 'neighbors') =>
  readDatasetRows({ hub: stand.hub, dataset: result.dataset.dataset, split });

const describedRows = async () =>
  (await Promise.all((['train', 'held_out', 'test'] as const).map((split) => rowsOf(first, split)))).flat();

async function manifestOf({ dataset: { dataset } }: PreparationResult): Promise<DatasetManifest> {
  const bytes = await stand.hub.read(dataset, dataset.commit, 'manifest.json');
  return DatasetManifest.parse(JSON.parse(bytes?.toString() ?? ''));
}

describe('captions by a model', () => {
  it('are what the model said of each picture, without words of style, and the trigger phrase', async () => {
    const rows = await describedRows();
    const { clip } = await tokenCounters(stand.hub, await baseOf());
    const artists = [...rows.map(({ artist }) => artist), ...RENOWNED_PAINTERS];
    expect(rows.length).toBeGreaterThan(PIECE);
    expect([...said.keys()].sort()).toEqual(rows.map(({ id }) => id).sort());
    for (const { id, caption } of rows) {
      const content = contentOf(said.get(id) as string, artists);
      expect(content).not.toBe('');
      const whole = `${content}, plnr impressionism`;
      // A caption is shorter only where CLIP would not see all of it: the small base's tokenizer counts nearly every letter.
      if (caption !== whole) expect(clip?.(whole)).toBeGreaterThan(77);
      expect(content.startsWith(caption.replace(/, plnr impressionism$/, ''))).toBe(true);
    }
    expect(new Set(rows.map(({ caption }) => caption)).size).toBeGreaterThan(rows.length / 2);
    const neighbors = await rowsOf(first, 'neighbors');
    expect(neighbors.every(({ caption }) => /painting, plnr impressionism$/.test(caption))).toBe(true);
  });

  it('are of a length that both text encoders see, cut to it where need be, which the analysis counts', async () => {
    const { clip } = await tokenCounters(stand.hub, await baseOf());
    const rows = await describedRows();
    expect(Math.max(...rows.map(({ caption }) => clip?.(caption) ?? Number.NaN))).toBeLessThanOrEqual(77);
    const whole = [...said.values()].map((text) => clip?.(`${text}, plnr impressionism`) ?? 0);
    expect(Math.max(...whole)).toBeGreaterThan(77);
    expect((await manifestOf(first)).captions?.cut).toBeGreaterThan(0);
    const { record } = first.analysis;
    const analysis = await stand.hub.read(record, record.commit, record.path);
    expect(JSON.parse(analysis?.toString() ?? '').tokens).toMatchObject({ clip: { cut: 0 }, t5: { cut: 0 } });
  });

  it('name their model, commit and license in manifest and card', async () => {
    const { captions, images } = await manifestOf(first);
    const commit = await stand.hub.resolve({
      type: 'model',
      repo: 'plein-air/seeing' as RunContext['repos']['release'],
    });
    expect(captions).toMatchObject({
      model: { repo: 'plein-air/seeing', commit },
      license: 'apache-2.0',
      fromGenre: 0,
    });
    expect(captions?.described).toBe((images.train ?? 0) + (images.held_out ?? 0) + (images.test ?? 0));
    const { dataset } = first.dataset;
    const card = (await stand.hub.read(dataset, dataset.commit, 'README.md'))?.toString() ?? '';
    expect(card).toContain(
      `plein-air/seeing) at commit \`${commit}\` (license \`apache-2.0\`, as its card says)`,
    );
    const { source, settings } = await manifestOf(first);
    const rebuilt = await rebuildDatasetCard(stand.hub, {
      dataset,
      source: { type: 'dataset', ...source },
      config: { style: 'Impressionism', trigger: String(settings.trigger) },
    });
    expect(rebuilt).toBe(card);
  });

  it('are found again without the model by the same inputs, and leave no work behind', async () => {
    const { trainer, asked } = listening(stand.trainer);
    const again = await stand.prepare('again', input('seeing'), trainer);
    expect(again.dataset).toEqual({ ...first.dataset, cached: true });
    expect(asked).toEqual([]);
    const work = {
      ...first.dataset.dataset,
      repo: `${first.dataset.dataset.repo}-work` as RunContext['repos']['record'],
    };
    expect(await stand.hub.resolve(work)).toBeNull();
  });

  it('come out with the same bytes when the trainer dies among them, and only the piece that it was at is done again', async () => {
    const undisturbed = await manifestOf(first);
    await stand.hub.deleteRepo(first.dataset.dataset);
    let killed = 0;
    const { trainer, asked } = listening(stand.trainer, (call, done) => {
      if (call === 1 && done > 0 && killed === 0) {
        killed += 1;
        stand.trainer.kill();
      }
    });
    const after = await stand.prepare('killed', input('seeing'), trainer);
    expect(killed).toBe(1);
    expect(await manifestOf(after)).toEqual(undisturbed);
    const pieces = Math.ceil(said.size / PIECE);
    const asks = asked.map((ids) => ids.join());
    expect(asks).toHaveLength(pieces + 1);
    expect(new Set(asks).size).toBe(pieces);
    expect(asks.filter((ids) => ids === asks[1])).toHaveLength(2);
  }, 120_000);

  it('are another dataset with other settings of the captioner, and none without one', async () => {
    const { trainer, asked } = listening(stand.trainer);
    const template = await stand.prepare('template', input('seeing', { captioner: null }), trainer);
    expect(asked).toEqual([]);
    expect(template.dataset.dataset.repo).not.toBe(first.dataset.dataset.repo);
    expect((await manifestOf(template)).captions).toBeUndefined();
  }, 120_000);

  it('come from the genre, and are counted, where a model speaks of nothing but style', async () => {
    const result = await stand.prepare('of-style', input('of-style'));
    const { captions } = await manifestOf(result);
    expect(captions).toMatchObject({ described: 0, fromGenre: said.size, cleaned: said.size });
    const rows = await rowsOf(result, 'train');
    expect(rows.every(({ caption }) => /painting, plnr impressionism$/.test(caption))).toBe(true);
    expect(result.analysis.reasons.join()).toContain('because plein-air/of-style spoke of nothing but style');
    expect(first.analysis.reasons.join()).not.toContain('spoke of nothing but style');
  }, 120_000);

  it.each([
    [
      'pickled',
      /dataset.captioner: expected weights as \*.safetensors in plein-air\/pickled .* only pytorch_model.bin, which are pickles/,
    ],
    [
      'absent',
      /dataset.captioner: expected a model repository that the token can read, got "plein-air\/absent"/,
    ],
    ['clip', /got a model of type 'clip'; .* image-text-to-text is needed \(dataset.captioner\)/],
  ])(
    'are refused of model %s in a sentence that says why',
    async (model, message) => {
      await expect(stand.prepare(`refused-${model}`, input(model))).rejects.toMatchObject({
        cause: { type: 'InvalidInput', message: expect.stringMatching(message) },
      });
    },
    120_000,
  );
});

async function baseOf() {
  const repo = { type: 'model' as const, repo: 'plein-air/base' as RunContext['repos']['release'] };
  return {
    ...repo,
    commit: (await stand.hub.resolve(repo)) as NonNullable<Awaited<ReturnType<typeof stand.hub.resolve>>>,
  };
}

describe('two attempts at one piece', () => {
  /** Stands for a machine that sees the same thing in every picture; `meanwhile` it may wait. */
  const seeing = (word: string, meanwhile = async (): Promise<void> => undefined): Trainer =>
    ({
      ...bound(stand.trainer),
      call: async (_verb: string, { pictures }: { pictures: { id: string }[] }) => {
        await meanwhile();
        return { kind: 'blip', captions: pictures.map(({ id }) => ({ id, text: word })) };
      },
    }) as unknown as Trainer;

  it('agree on the words that came first; the later one writes nothing', async () => {
    const { context, work, workDir } = await stand.layOut('twice', input('seeing', { maxPerArtist: 59 }));
    let landed = 0;
    const hub: Hub = {
      ...stand.hub,
      commit: async (request) => {
        const commit = await stand.hub.commit(request);
        landed += 1;
        return commit;
      },
    };
    let waiting = 0;
    let all: () => void = () => undefined;
    const both = new Promise<void>((go) => {
      all = go;
    });
    const meet = (): Promise<void> => {
      waiting += 1;
      if (waiting === 2) all();
      return both;
    };
    const attempt = (word: string) =>
      createCaptionPictures({
        ...{ hub, trainer: seeing(word, meet), workDir: `${workDir}/${word}`, heartbeat: () => undefined },
      })({ context, work: work.repo, piece: 0 });
    await Promise.all([attempt('boats'), attempt('trees')]);
    expect(landed).toBe(1);
    const head = (await hub.resolve(work)) as string;
    const stored = (await hub.read(work, head, captionResults(0)))?.toString() ?? '';
    const texts = CaptionResults.parse(JSON.parse(stored)).captions.map(({ text }) => text);
    expect(new Set(texts).size).toBe(1);
    expect(await attempt('late')).toEqual({ piece: 0, pictures: 0 });
    expect(waiting).toBe(2);
    expect(await hub.resolve(work)).toBe(head);
  }, 120_000);

  it('of which one comes when the dataset is made and the work removed, has nothing to do', async () => {
    const laidOut = await stand.layOut('gone', input('seeing', { maxPerArtist: 58 }));
    const { context, work, workDir } = laidOut;
    const deps = { workDir: `${workDir}/gpu`, heartbeat: () => undefined };
    const finish = async (): Promise<void> => {
      const caption = createCaptionPictures({ ...deps, hub: stand.hub, trainer: seeing('boats') });
      for (let piece = 0; piece < Math.ceil(said.size / PIECE); piece++)
        await caption({ context, work: work.repo, piece });
      await laidOut.assemble();
    };
    const hub: Hub = {
      ...stand.hub,
      download: async (request) => {
        if (request.folder === 'shards') await finish();
        return stand.hub.download(request);
      },
    };
    const late = createCaptionPictures({ ...deps, hub, trainer: seeing('trees') });
    expect(await late({ context, work: work.repo, piece: 0 })).toEqual({ piece: 0, pictures: 0 });
    expect(await stand.hub.resolve(work)).toBeNull();
  }, 120_000);
});
