import { driftOf, FOLLOWED, HistoryEntry, withEntry } from '../../domain/evaluation/drift.ts';
import type { Verdict } from '../../domain/evaluation/gate.ts';
import { EvaluationReport } from '../../domain/evaluation/report.ts';
import type { RepoRef } from '../../domain/refs.ts';
import type { ReleaseEntry } from '../../domain/release/provenance.ts';
import type { RunContext } from '../../domain/run/context.ts';
import type { Hub } from '../../hub/hub.ts';
import { parseJson } from '../../hub/verified-json.ts';
import { listReleases } from '../../releases/catalog.ts';
import { historyPlot } from '../../reports/figures/history-plot.ts';

/** A model's re-evaluations in its record repository, a line each, and their plot. */
export const HISTORY_FILES = { lines: 'history.jsonl', plot: 'history.svg' } as const;

/** What a re-evaluation found against the verdict of the release, and the files that keep it. */
export interface Drift {
  sentences: string[];
  files: { path: string; content: string }[];
}

/**
 * Compares a re-evaluation with the report that its release was judged by, and adds it to the model's history. A run that
 * judges its own candidate is no re-evaluation: null.
 */
export async function trackDrift(
  hub: Hub,
  p: { context: RunContext; report: unknown; verdict: Verdict; now: number },
): Promise<Drift | null> {
  const { context, verdict } = p;
  const entry = await releaseOf(hub, context, verdict);
  const report = EvaluationReport.safeParse(p.report);
  if (entry === null || !report.success) return null;
  const { type, repo, commit, path } = entry.provenance.evaluation.report;
  const bytes = await hub.read({ type, repo }, commit, path);
  const then = bytes === null ? null : parseJson(bytes, EvaluationReport, `${repo} ${path}`);
  const sentences =
    then === null
      ? [`The report that ${entry.tag} was released by is gone (${repo} ${path}): drift cannot be told.`]
      : driftOf(then.metrics, report.data.metrics);
  const history = await readHistory(hub, { type: 'dataset', repo: context.repos.record });
  const known = history.find(({ runId }) => runId === context.runId);
  const figures = FOLLOWED.flatMap((name) => {
    const figure = report.data.metrics[name];
    return figure === undefined ? [] : [[name, figure] as const];
  });
  const all = withEntry(history, {
    ...{ runId: context.runId, at: known?.at ?? p.now, tag: entry.tag },
    ...{ adapterSha256: verdict.adapterSha256, verdict: verdict.verdict },
    ...{ metrics: Object.fromEntries(figures), drift: sentences },
  });
  return {
    sentences,
    files: [
      { path: HISTORY_FILES.lines, content: `${all.map((one) => JSON.stringify(one)).join('\n')}\n` },
      { path: HISTORY_FILES.plot, content: await historyPlot(all) },
    ],
  };
}

/** The release that is being judged again: the same bytes, made by another run. */
async function releaseOf(hub: Hub, context: RunContext, verdict: Verdict): Promise<ReleaseEntry | null> {
  const { release, record } = context.repos;
  if ((await hub.resolve({ type: 'model', repo: release })) === null) return null;
  const releases = await listReleases(hub, release);
  return (
    releases.find(
      ({ provenance }) =>
        provenance.adapter.sha256 === verdict.adapterSha256 && provenance.context.repos.record !== record,
    ) ?? null
  );
}

async function readHistory(hub: Hub, repo: RepoRef): Promise<HistoryEntry[]> {
  const head = await hub.resolve(repo);
  const bytes = head === null ? null : await hub.read(repo, head, HISTORY_FILES.lines);
  const lines =
    bytes
      ?.toString('utf8')
      .split('\n')
      .filter((line) => line !== '') ?? [];
  return lines.map((line) =>
    parseJson(Buffer.from(line), HistoryEntry, `${repo.repo} ${HISTORY_FILES.lines}`),
  );
}
