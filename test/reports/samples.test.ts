import { expect, it } from '@jest/globals';
import type { PairedSamples, Picture, ReportDocument } from '../../src/reports/render/blocks.ts';
import { toHtml } from '../../src/reports/render/html.ts';

function picture(alt: string): Picture {
  const bytes = Buffer.from(alt);
  return { bytes, mime: 'image/png', width: 8, height: 8, alt, file: `${alt}.png`, href: null };
}

function pageOf(seeds: number[]): string {
  const pairs = seeds.map((seed) => ({
    seed,
    base: picture(`b${seed}`),
    candidate: picture(`c${seed}`),
    production: picture(`p${seed}`),
  }));
  const samples: PairedSamples[] = [{ prompt: 'a pond', pairs }];
  const block = { kind: 'samples' as const, samples, caption: 'caption', grid: null };
  const document: ReportDocument = {
    ...{ title: 'Title', subtitle: '', outcome: { word: 'PASS', tone: 'good', sentence: '' }, facts: [] },
    sections: [{ id: 'pictures', title: 'Before and after', source: null, blocks: [block] }],
    footer: [],
  };
  return toHtml(document);
}

/** What is in the elements of a class, in words: the alternative texts of pictures, and names. */
function told(page: string, name: string): string[] {
  const [, ...parts] = page.split(`<div class="${name}">`);
  return parts.map((part) =>
    [...(part.split('</figure>')[0] ?? '').matchAll(/alt="([^"]*)"|class="who">([^<]*)/g)]
      .map(([, alt, who]) => alt ?? who)
      .join(' '),
  );
}

it('puts base, production and candidate side by side where a prompt has one seed', () => {
  const page = pageOf([7]);
  expect(told(page, 'beside')).toEqual(['b7 base p7 in production c7 with the style']);
  expect(told(page, 'strip')).toEqual([]);
});

it('gives each painter a row where a prompt has several', () => {
  const page = pageOf([7, 8]);
  expect(told(page, 'beside')).toEqual([]);
  expect(told(page, 'strip').map((row) => row.split(' ').slice(0, 1))).toEqual([['base'], ['in'], ['with']]);
});
