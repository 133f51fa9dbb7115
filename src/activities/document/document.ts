import type { GpuSession } from '../../domain/gpu-source/session.ts';
import type { CommitRef, CommitSha, RepoRef } from '../../domain/refs.ts';
import type { Documents, PipelineActivities } from '../../domain/run/activities.ts';
import type { RunSummary } from '../../domain/run/summary.ts';
import { StoredSummary, SUMMARY_RECORD } from '../../domain/run/summary.ts';
import { commitOnHead } from '../../hub/commit-on-head.ts';
import { sha256Of } from '../../hub/hashing.ts';
import type { Hub, HubContent } from '../../hub/hub.ts';
import { parseJson } from '../../hub/verified-json.ts';
import { runReport } from '../../reports/pages/run-report.ts';
import { readRunRecords } from '../../reports/records/from-records.ts';
import { toHtml } from '../../reports/render/html.ts';
import { toMarkdown } from '../../reports/render/markdown-report.ts';

/** Where the report lies in the record repository. */
export const REPORT_FOLDER = 'report';
export const REPORT_FILE = `${REPORT_FOLDER}/index.html`;

/** What writing documents needs besides its request. */
export interface DocumentDeps {
  hub: Hub;
  /** Sessions that were opened for a run; default: none is known. */
  sessionsOf?: (run: string) => Promise<GpuSession[]>;
  now?: () => number;
  onStep?: (step: string) => void;
}

/** Stores the run's summary and rebuilds its report from stored records, in one commit of the record repository. */
export function createDocument({
  hub,
  sessionsOf = async () => [],
  now = Date.now,
  onStep = () => undefined,
}: DocumentDeps): PipelineActivities['document'] {
  return async ({ summary }) => {
    const repo: RepoRef = { type: 'dataset', repo: summary.context.repos.record };
    await hub.ensureRepo(repo, { private: true });
    const sessions = await sessionsOf(summary.context.run);
    const gpuSessions = sessions.length === 0 ? null : { at: now(), sessions };
    const stored: StoredSummary = { format: 1, endpoint: hub.endpoint, summary, gpuSessions };
    const content = `${JSON.stringify(withoutOwnPhase(stored), null, 2)}\n`;
    const { commit, files } = await writeReport({ hub, repo, summary: content, onStep });
    const html = files.find((f) => f.path === REPORT_FILE)?.content ?? '';
    return {
      report: { ...repo, commit, path: REPORT_FILE, sha256: sha256Of(Buffer.from(html as string)) },
      record: { ...repo, commit },
    } satisfies Documents;
  };
}

/** The report's files as they follow from the stored summary of a record repository: what is there, byte for byte. */
export async function rebuildReport(
  hub: Hub,
  record: CommitRef,
): Promise<{ path: string; content: HubContent }[]> {
  const repo = { type: record.type, repo: record.repo };
  const bytes = await hub.read(repo, record.commit, SUMMARY_RECORD);
  return documents(hub, bytes?.toString('utf8') ?? '', { record: record.commit });
}

/** How long writing this report takes cannot stand in it, or no second writing would give the same bytes. */
function withoutOwnPhase(stored: StoredSummary): StoredSummary {
  const phases = stored.summary.phases.filter((p) => p.name !== 'document');
  return { ...stored, summary: { ...stored.summary, phases } satisfies RunSummary };
}

async function documents(
  hub: Hub,
  summary: string,
  at: { record: CommitSha | null },
): Promise<{ path: string; content: HubContent }[]> {
  const stored = parseJson(summary, StoredSummary, SUMMARY_RECORD);
  const records = await readRunRecords(hub, stored, at.record);
  const { document, files } = await runReport(records);
  return [
    { path: SUMMARY_RECORD, content: summary },
    { path: REPORT_FILE, content: toHtml(document) },
    { path: `${REPORT_FOLDER}/report.md`, content: toMarkdown(document) },
    ...files.map((f) => ({ path: `${REPORT_FOLDER}/${f.path}`, content: f.content })),
  ];
}

/** Builds the report on the record's head and commits it onto that very head: what it shows is what lies beside it. */
async function writeReport(p: {
  hub: Hub;
  repo: RepoRef;
  summary: string;
  onStep: (step: string) => void;
}): Promise<{ commit: CommitSha; files: { path: string; content: HubContent }[] }> {
  const { hub, repo, onStep } = p;
  return commitOnHead(hub, { repo }, async (head) => {
    const files = await documents(hub, p.summary, { record: head });
    onStep(`${files.length} files of the report built`);
    return {
      message: 'Write the report',
      files,
      replace: [REPORT_FOLDER],
      answer: (commit) => ({ commit, files }),
    };
  });
}
