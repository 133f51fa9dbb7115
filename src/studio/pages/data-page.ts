import type {
  BorderlineImage,
  DatasetManifest,
  DatasetRow,
  DroppedImage,
  SplitProof,
} from '../../domain/dataset/record.ts';
import type { CommitRef, CommitSha } from '../../domain/refs.ts';
import type { Role } from '../access/roles.ts';
import { block, type Html, html, shown } from './html.ts';
import { page } from './layout.ts';
import { imageUrl } from './run-images.ts';

/** What is known of a run's pictures; empty or null where it is not known yet. */
export interface DataPageView {
  record: CommitSha | null;
  /** Contact sheets that the record holds. */
  sheets: readonly string[];
  dataset: CommitRef | null;
  manifest: DatasetManifest | null;
  proof: SplitProof | null;
  dropped: readonly DroppedImage[];
  borderline: readonly BorderlineImage[];
  captions: readonly DatasetRow[];
}

const SHEETS: Record<string, string> = {
  kept: 'Kept',
  borderline: 'Kept, but only just: look at these',
  dropped: 'Left out, with the reason',
};

/** Contact sheets, reasons, the closest pairs across splits, and captions. */
export function dataPage(run: string, view: DataPageView, role: Role): Html {
  const { record, sheets, manifest, dataset } = view;
  return page({
    ...{ title: `Pictures of ${run}`, role, at: '/' },
    body: html`<h1>The pictures of <a href="/runs/${encodeURIComponent(run)}">${shown(run)}</a></h1>
${dataset === null ? '' : html`<p class="facts-line"><code>${dataset.repo}</code> at <code>${dataset.commit.slice(0, 12)}</code></p>`}
${manifest === null ? '' : counts(manifest)}
${
  record === null
    ? ''
    : sheets.map(
        (name) =>
          html`<h2>${SHEETS[name] ?? name}</h2><figure class="sheet"><a href="${imageUrl(run, record, `records/${name}.png`)}"><img src="${imageUrl(run, record, `records/${name}.png`, 1024)}" loading="lazy" alt="Contact sheet: ${SHEETS[name] ?? name}"></a></figure>`,
      )
}
${lists(view)}`,
  });
}

function counts({ images, dropped }: DatasetManifest): Html {
  const out = Object.entries(dropped).filter(([, count]) => count > 0);
  return html`<dl class="facts">${Object.entries(images).map(([split, count]) => html`<div><dt>${split.replace('_', ' ')}</dt><dd>${count}</dd></div>`)}</dl>
<h2>Left out</h2>${block({ kind: 'table', head: ['reason', 'pictures'], right: [1], rows: out.map(([reason, count]) => [reason, String(count)]) })}`;
}

function lists({ dropped, borderline, proof, captions }: DataPageView): Html {
  const decided = (one: { measured: unknown; limit: unknown }) =>
    [one.measured, one.limit].map((value) => (value === null ? '' : String(value)));
  const table = (title: string, head: string[], rows: string[][]) =>
    rows.length === 0
      ? html``
      : html`<details><summary>${title} (${rows.length})</summary>${block({ kind: 'table', head, rows })}</details>`;
  return html`<h2>Lists</h2>
${table(
  'Borderline',
  ['source', 'doubt', 'measured', 'limit'],
  borderline.map((one) => [one.source, one.doubt, ...decided(one)]),
)}
${table(
  'Left out',
  ['source', 'reason', 'measured', 'limit'],
  dropped.map((one) => [one.source, one.reason, ...decided(one)]),
)}
${table(
  'Closest pairs across splits',
  ['splits', 'pair', 'bits'],
  (proof?.nearest ?? []).map(({ splits, pair }) => [
    splits.join(' and '),
    pair === null ? 'none near' : `${pair.a} and ${pair.b}`,
    pair === null ? '' : String(pair.bits),
  ]),
)}
${table(
  'Captions of the training pictures',
  ['id', 'caption', 'artist'],
  captions.map(({ id, caption, artist }) => [id, caption, artist]),
)}`;
}
