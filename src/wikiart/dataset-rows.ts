import { parquetReadObjects } from 'hyparquet';
import { DatasetRow, type Split } from '../domain/dataset/record.ts';
import { PipelineError } from '../domain/errors.ts';
import type { CommitRef } from '../domain/refs.ts';
import type { Hub } from '../hub/hub.ts';
import { openHubFile } from './hub-file.ts';
import { openShard } from './shard.ts';

const COLUMNS = Object.keys(DatasetRow.shape);

/** The rows of one split of a prepared dataset, without their pictures: ranged reads of the small columns. */
export async function readDatasetRows(p: {
  hub: Hub;
  dataset: CommitRef;
  split: Split;
  signal?: AbortSignal | undefined;
}): Promise<DatasetRow[]> {
  const { hub, dataset, split, signal } = p;
  const entries = (await hub.list(dataset, dataset.commit, 'data'))
    .filter(({ path }) => path.startsWith(`data/${split}-`))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
  const rows: DatasetRow[] = [];
  for (const entry of entries) {
    const file = await openHubFile({ hub, at: dataset, path: entry.path, bytes: entry.bytes, signal });
    const shard = await openShard(file);
    for (const [at, row] of (await parquetReadObjects({ ...shard, columns: COLUMNS })).entries()) {
      const parsed = DatasetRow.safeParse(row);
      if (!parsed.success)
        throw new PipelineError(
          'BadData',
          `Expected a row of a prepared dataset, got another one (${dataset.repo}/${entry.path}, row ${at}): ${parsed.error.issues.map((i) => `${i.path.join('.')}: ${i.message}`).join('; ')}`,
        );
      rows.push(parsed.data);
    }
  }
  return rows;
}
