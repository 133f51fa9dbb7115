import { PipelineError } from '../../domain/errors.ts';
import type { RepoRef } from '../../domain/refs.ts';
import type { RunSummary } from '../../domain/run/summary.ts';
import { StoredSummary, SUMMARY_RECORD } from '../../domain/run/summary.ts';
import type { Hub, HubContent } from '../../hub/hub.ts';
import { parseJson } from '../../hub/verified-json.ts';
import { findRelease, releaseRepo } from '../../releases/catalog.ts';
import { releaseDocuments } from '../../releases/release-files.ts';
import { rebuildReport } from './document.ts';
import { rebuildDatasetCard } from './rebuild-dataset-card.ts';

/** A document as it follows from stored records, and whether those are the bytes that lie on the Hub. */
export interface RebuiltDocument {
  repo: string;
  path: string;
  content: Buffer;
  stored: 'same' | 'different' | 'missing';
}

/**
 * Builds a run's report again, its dataset's card, and card, notice, pictures and Space README of its release where it had
 * one: from the record repository's head, the dataset's own files and `provenance.json` alone. Nothing is written.
 */
export async function rebuildDocuments(hub: Hub, record: RepoRef): Promise<RebuiltDocument[]> {
  const head = await hub.resolve(record);
  const stored = head === null ? null : await hub.read(record, head, SUMMARY_RECORD);
  if (head === null || stored === null)
    throw new PipelineError(
      'InvalidInput',
      `expected ${SUMMARY_RECORD} in ${record.repo} on ${hub.endpoint}, got none: check the run's name and --namespace; a run's first report is written after its first phase`,
    );
  const { summary } = parseJson(stored, StoredSummary, `${record.repo} ${SUMMARY_RECORD}`);
  const report = await rebuildReport(hub, { ...record, commit: head });
  return [
    ...(await compared(hub, record, head, report)),
    ...(await ofDataset(hub, summary)),
    ...(summary.release === null ? [] : await ofRelease(hub, summary.release.release)),
  ];
}

async function ofDataset(hub: Hub, { context, dataset }: RunSummary): Promise<RebuiltDocument[]> {
  if (dataset === null) return [];
  const config = context.config.dataset;
  const at = dataset.dataset;
  const card = await rebuildDatasetCard(hub, { dataset: at, source: context.source, config });
  return card === null ? [] : compared(hub, at, at.commit, [{ path: 'README.md', content: card }]);
}

async function ofRelease(
  hub: Hub,
  { repo, tag }: { repo: Parameters<typeof releaseRepo>[0]; tag: string },
): Promise<RebuiltDocument[]> {
  const entry = await findRelease(hub, repo, tag);
  if (entry === null) return [];
  const made = await releaseDocuments(hub, entry.provenance);
  return compared(hub, releaseRepo(repo), entry.commit, made);
}

async function compared(
  hub: Hub,
  repo: RepoRef,
  revision: string,
  files: { path: string; content: HubContent }[],
): Promise<RebuiltDocument[]> {
  return Promise.all(
    files.map(async ({ path, content }) => {
      const bytes = Buffer.from(content as string | Buffer);
      const there = await hub.read(repo, revision, path);
      const same = there?.equals(bytes) === true;
      const stored = there === null ? 'missing' : same ? 'same' : 'different';
      return { repo: repo.repo, path, content: bytes, stored } as const;
    }),
  );
}
