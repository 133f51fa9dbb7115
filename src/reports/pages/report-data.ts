import { inlinePicture } from '../figures/grids.ts';
import { countBars, svgToPng } from '../figures/plots.ts';
import type { Block, Section } from '../render/blocks.ts';
import type { ReportBuild } from './report-build.ts';

/** The section about the pictures: how many, why others were left out, and both to look at. */
export async function dataSection(build: ReportBuild): Promise<Section[]> {
  const { records } = build;
  const { dataset, analysis } = records.summary;
  if (dataset === null) return [];
  const { images } = dataset;
  const dropped = Object.values(dataset.dropped).reduce((a, b) => a + b, 0);
  const kept = images.train + images.held_out + images.test + images.neighbors;
  const blocks: Block[] = [
    {
      kind: 'facts',
      items: [
        ['To train on', String(images.train)],
        ['Held out', String(images.held_out)],
        ['Sealed test', String(images.test)],
        ['Neighboring styles', String(images.neighbors)],
        ['Left out', String(dropped)],
      ],
    },
  ];
  if (analysis !== null)
    blocks.push({
      kind: 'list',
      items: analysis.reasons.length === 0 ? [`The dataset is ${analysis.verdict}.`] : analysis.reasons,
    });
  if (dropped > 0) {
    const svg = await countBars({ kept, ...dataset.dropped }, { accent: 'kept' });
    build.files.push({ path: 'plots/dataset.svg', content: Buffer.from(svg) });
    build.files.push({ path: 'plots/dataset.png', content: await svgToPng(svg) });
    blocks.push({
      kind: 'plot',
      svg,
      alt: `Of ${kept + dropped} source pictures ${kept} were kept; the others by reason: ${Object.entries(
        dataset.dropped,
      )
        .filter(([, n]) => n > 0)
        .map(([reason, n]) => `${reason} ${n}`)
        .join(', ')}`,
      caption: [
        `Every one of the source’s ${kept + dropped} pictures, kept or by the reason it was left out. From `,
        { link: 'manifest.json', href: build.url({ ...dataset.dataset, path: 'manifest.json' }) },
        '.',
      ],
      file: 'plots/dataset.png',
    });
  }
  for (const [name, bytes, alt, caption] of [
    ['kept', records.contactSheets.kept, 'A sheet of pictures that were kept', 'Kept.'],
    [
      'dropped',
      records.contactSheets.dropped,
      'A sheet of pictures that were left out',
      'Left out, with the reason.',
    ],
  ] as const)
    if (bytes !== null)
      blocks.push({
        kind: 'picture',
        picture: await inlinePicture({
          bytes,
          alt,
          file: `../records/${name}.png`,
          href: analysis === null ? null : build.url({ ...analysis.record, path: `records/${name}.png` }),
          longest: 1200,
        }),
        caption,
      });
  const source = [...build.commit(dataset.dataset)];
  return [
    {
      id: 'data',
      title: 'The pictures',
      source: analysis === null ? source : [...source, ', ', ...build.file(analysis.record)],
      blocks,
    },
  ];
}
