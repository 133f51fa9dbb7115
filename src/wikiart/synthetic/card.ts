import { stringify } from 'yaml';
import { ARTIST_NAMES, GENRE_NAMES, STYLE_NAMES } from './labels.ts';
import type { CompleteOptions } from './options.ts';
import { DEFECTS, planRows } from './plan.ts';

/** The dataset card: front matter in the Hub's form, and what the set is and is not. */
export function datasetCard(options: CompleteOptions): string {
  const rows = planRows(options);
  const front = {
    license: 'apache-2.0',
    task_categories: ['text-to-image'],
    tags: ['plein-air', 'generated-data', 'synthetic'],
    pretty_name: 'Generated WikiArt (not real paintings)',
    dataset_info: {
      features: [
        { name: 'image', dtype: 'image' },
        { name: 'artist', dtype: { class_label: { names: byIndex(ARTIST_NAMES) } } },
        { name: 'genre', dtype: { class_label: { names: byIndex(GENRE_NAMES) } } },
        { name: 'style', dtype: { class_label: { names: byIndex(STYLE_NAMES) } } },
      ],
      splits: [{ name: 'train', num_examples: rows.length }],
    },
    configs: [{ config_name: 'default', data_files: [{ split: 'train', path: 'data/train-*' }] }],
  };
  const planted = DEFECTS.map(
    (defect) => [defect, rows.filter((row) => row.defect === defect).length] as const,
  )
    .filter(([, count]) => count > 0)
    .map(([defect, count]) => `| ${defect} | ${count} |`);
  const wanted = rows.filter((row) => row.style === 'Impressionism').length;
  return `---
${stringify(front).trimEnd()}
---

# GENERATED WikiArt: not real paintings

**Every picture here was painted by a program.** No artist named here exists. The set stands in for
\`huggan/wikiart\` where that cannot or need not be reached: same columns, same style and genre names and indices, the same
kinds of faults. Nothing measured on it says anything about real paintings.

${rows.length} rows, ${wanted} of them labeled Impressionism, seed ${options.seed}. A scene (landscape, street, portrait,
still life, figures) is drawn from the seed, then painted as its style paints: Impressionism in about a thousand short strokes
of broken color, Cubism in displaced facets, Ukiyo-e in few flat colors inside contours, Pointillism in dots, and so on.

## Faults planted on purpose

| fault | rows |
|---|---|
${planted.join('\n')}

License: Apache-2.0, as the program that painted it.
`;
}

function byIndex(names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name, index) => [String(index), name]));
}
