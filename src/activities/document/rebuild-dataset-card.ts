import type { DatasetConfig } from '../../domain/config/run-config.ts';
import { DatasetManifest, DroppedImage, DropReason, SplitProof } from '../../domain/dataset/record.ts';
import type { CommitRef } from '../../domain/refs.ts';
import type { Hub } from '../../hub/hub.ts';
import { parseJson } from '../../hub/verified-json.ts';
import { datasetCard } from '../../wikiart/dataset-card.ts';
import { readDatasetRows } from '../../wikiart/dataset-rows.ts';
import { captionsShown } from '../prepare/assemble.ts';
import { BAND_COLORS } from '../prepare/contact-sheets.ts';
import { CARD_PLOTS } from '../prepare/plots.ts';
import { wasPlanned } from '../prepare/records.ts';

/** The card of a prepared dataset as it follows from the files beside it; null where they are not all there. */
export async function rebuildDatasetCard(
  hub: Hub,
  p: { dataset: CommitRef; source: CommitRef; config: Pick<DatasetConfig, 'style' | 'trigger'> },
): Promise<string | null> {
  const { dataset, source, config } = p;
  const read = (path: string) => hub.read(dataset, dataset.commit, path);
  const [manifest, proof, dropped, keptSheet, droppedSheet] = await Promise.all(
    ['manifest.json', 'proof.json', 'dropped.jsonl', 'preview/kept.png', 'preview/dropped.png'].map(read),
  );
  if (manifest == null || proof == null || dropped == null) return null;
  const reasons = new Set(
    dropped
      .toString('utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => DroppedImage.parse(JSON.parse(line)))
      .filter((image) => !wasPlanned(image))
      .map(({ reason }) => reason),
  );
  const shown = DropReason.options.filter((reason) => reasons.has(reason));
  const rows = await readDatasetRows({ hub, dataset, split: 'train' });
  const { files, ...facts } = parseJson(manifest, DatasetManifest, `${dataset.repo} manifest.json`);
  const present = new Set(files.map(({ path }) => path));
  return datasetCard({
    manifest: facts,
    sourceCard: (await hub.read(source, source.commit, 'README.md'))?.toString('utf8') ?? '',
    style: config.style,
    trigger: config.trigger,
    captions: captionsShown(rows.map((row) => row.caption)),
    bands: droppedSheet === null ? [] : shown.map((reason) => ({ reason, color: BAND_COLORS[reason] })),
    hasKeptSheet: keptSheet !== null,
    plots: CARD_PLOTS.filter(({ path }) => present.has(path)),
    proof: parseJson(proof, SplitProof, `${dataset.repo} proof.json`),
  });
}
