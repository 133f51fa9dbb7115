import { describe, expect, it } from '@jest/globals';
import { Marked } from 'marked';
import { VariantRecord } from '../../src/domain/config/variants.ts';
import { genreWords } from '../../src/domain/dataset/captions.ts';
import { DatasetManifest, SplitProof } from '../../src/domain/dataset/record.ts';
import { PipelineError } from '../../src/domain/errors.ts';
import { Provenance } from '../../src/domain/release/provenance.ts';
import { HubFailure } from '../../src/hub/hub-failure.ts';
import { modelCard, spaceCard } from '../../src/reports/cards/cards.ts';
import { variantTexts } from '../../src/reports/cards/variant-card.ts';
import type { GateRow } from '../../src/reports/records/run-records.ts';
import type { ReportDocument } from '../../src/reports/render/blocks.ts';
import { toHtml } from '../../src/reports/render/html.ts';
import { toMarkdown } from '../../src/reports/render/markdown-report.ts';
import { datasetCard } from '../../src/wikiart/dataset-card.ts';
import { completed, fullValue } from '../domain/full-record.ts';

/** Texts that do something where a writer lets them. */
const PAYLOADS = [
  '<script>alert(1)</script>',
  '<img src=x onerror=alert(1)>',
  '<!-- hidden',
  '</code></pre><b>bold',
  '[click](javascript:alert(1))',
  '![pixel](https://evil.example/p.png)',
  'https://evil.example and www.evil.example and me@evil.example',
  '\n\n## License MIT\n\nDo what you like.',
  '\n```\nswallowed',
  '``` `tick` ```',
  '| a | b |\n|---|---|',
  '\n- a list\n- of things',
  '\n> quoted',
  '<https://evil.example>',
  '[a]: https://evil.example\n[a]',
  '---\nlicense: mit\n---',
  '# heading',
  '**bold** _em_ ~~gone~~',
  '\u001b]0;title\u0007\u001b[31mred\u009b2J',
  'right \u202eot tfel\u202c and \u2066isolated\u2069',
];
/** Stands in full records for every text that is not of a given form. */
const FILLER = 'words';

function plant<T>(value: T, text: string): T {
  if (typeof value === 'string') return (value === FILLER ? text : value) as T;
  if (Array.isArray(value)) return value.map((one) => plant(one, text)) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, plant(one, text)])) as T;
}

const provenance = fullValue(Provenance);
const variant = completed(VariantRecord, { kind: 'int8' });
const manifest = fullValue(DatasetManifest);
const proof = fullValue(SplitProof);
const row: GateRow = {
  ...{ metric: FILLER, note: FILLER, low: 0, value: 1, high: 2, must: 'above', threshold: 0, holds: true },
};

/** Everything of this project that writes texts of others for people, each with that text in every field that takes any. */
const WRITERS: Record<string, (text: string) => string> = {
  'the dataset card': (text) =>
    datasetCard({
      ...plant({ manifest, proof, style: FILLER, trigger: FILLER, captions: [FILLER] }, text),
      sourceCard: `---\nlicense: ${JSON.stringify(text)}\n---\n`,
      bands: [{ reason: text, color: text }],
      hasKeptSheet: true,
      plots: [{ path: 'plot.svg', title: text }],
    }),
  'a caption in the dataset card': (text) =>
    datasetCard({
      ...{ manifest, proof, style: FILLER, trigger: FILLER, captions: [genreWords(text)] },
      ...{ sourceCard: '', bands: [], hasKeptSheet: false, plots: [] },
    }),
  'the model card': (text) =>
    modelCard({
      ...plant(
        { provenance, gate: [row], informative: [row], samples: [{ prompt: FILLER, path: 'a.png' }] },
        text,
      ),
      ...{ images: null, curves: false, grid: false },
    }),
  'the card of the Space': (text) => spaceCard(plant(provenance, text)),
  'the card of a variant': (text) => {
    const { context, license } = plant(provenance, text);
    return variantTexts(plant(variant, text), context, license).card;
  },
  'the report': (text) => toMarkdown(reportOf(text)),
};

function reportOf(text: string): ReportDocument {
  const inlines = [
    text,
    { code: text },
    { strong: text },
    { link: text, href: 'https://ok.example/' },
    { mark: text, tone: 'bad' as const },
  ];
  return {
    ...{ title: text, subtitle: text, outcome: { word: text, tone: 'quiet', sentence: text }, footer: text },
    facts: [[text, inlines]],
    sections: [
      {
        ...{ id: 'section', title: text, source: inlines },
        blocks: [
          { kind: 'paragraph', text: inlines },
          { kind: 'list', items: [inlines] },
          { kind: 'facts', items: [[text, inlines]] },
          { kind: 'table', head: [text], rows: [[inlines]], caption: inlines },
        ],
      },
    ],
  };
}

/** The elements of a page with their addresses, in their order of names: what a text may not add to. */
function elements(html: string): string[] {
  const tags = html.match(/<(?:[a-z][^\s>]*|!--)[^>]*>/gi) ?? [];
  return tags.map((tag) => tag.replace(/ (?:title|alt|aria-label)="[^"]*"/g, '')).sort();
}

const markdown = new Marked({ gfm: true, async: false });
const shown = (card: string): string =>
  markdown.parse(card.replace(/^---\n[\s\S]*?\n---\n/, ''), { async: false });
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there.
const ACTING = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;

describe.each(Object.entries(WRITERS))('%s', (_, write) => {
  it.each(PAYLOADS)('shows %j and does nothing of it', (payload) => {
    const page = shown(write(`sky ${payload} sea`));
    expect(elements(page)).toEqual(elements(shown(write('sky word sea'))));
    expect(page).not.toMatch(ACTING);
  });
});

describe('the report as a page', () => {
  it.each(PAYLOADS)('shows %j and does nothing of it', (payload) => {
    expect(elements(toHtml(reportOf(payload)))).toEqual(elements(toHtml(reportOf('word'))));
    expect(toHtml(reportOf(payload))).not.toMatch(ACTING);
  });
});

describe('an error', () => {
  it('spells out what would act on a terminal', () => {
    for (const error of [
      new PipelineError('Corrupt', 'a\u001b[2Jb\u202ec\r\nd'),
      new HubFailure({ status: 500, where: 'GET', reason: 'a\u001b[2Jb\u202ec\r\nd' }),
    ])
      expect(error.message).toBe('a\\u001b[2Jb\\u202ec\nd');
  });
});
