import { type Anchor, anchorsOf } from '../domain/evaluation/anchors.ts';
import type { Rival } from '../domain/evaluation/gate.ts';
import { EvaluationReport } from '../domain/evaluation/report.ts';
import type { Provenance, ReleaseEntry } from '../domain/release/provenance.ts';
import type { RunContext } from '../domain/run/context.ts';
import type { Hub } from '../hub/hub.ts';
import { jsonOrNull } from '../hub/verified-json.ts';
import { listReleases, PRODUCTION, tagAt } from './catalog.ts';

/** A release that a candidate is compared with, and where it lies. */
export interface RivalRelease extends Rival {
  entry: ReleaseEntry;
}

/**
 * The releases that a candidate has to stand against: what is in production, and the best release ever where that is
 * another one. A candidate that is one of them is not compared with itself.
 */
export async function findRivals(
  hub: Hub,
  context: RunContext,
  isCandidate: (release: Provenance) => boolean,
): Promise<RivalRelease[]> {
  const { release } = context.repos;
  if ((await hub.resolve({ type: 'model', repo: release })) === null) return [];
  const releases = await listReleases(hub, release);
  const serving = await tagAt(hub, release, PRODUCTION);
  const production = releases.find((entry) => entry.tag === serving) ?? null;
  const best = await bestOf(hub, releases, context.config.evaluation.encoder);
  const asked = [
    ['production', production],
    ['best', best === production ? null : best],
  ] as const;
  return asked.flatMap(([name, entry]) =>
    entry === null || isCandidate(entry.provenance)
      ? []
      : [{ name, tag: entry.tag, adapterSha256: entry.provenance.adapter.sha256, entry }],
  );
}

/** The release with the largest style margin when it was released; on a tie the newer one. */
async function bestOf(hub: Hub, releases: ReleaseEntry[], encoder: string): Promise<ReleaseEntry | null> {
  const reports = await Promise.all(releases.map((entry) => reportOf(hub, entry, encoder)));
  let best: { entry: ReleaseEntry; margin: number } | null = null;
  for (const [index, entry] of releases.entries()) {
    const margin = reports[index]?.metrics['style.margin']?.estimate ?? null;
    if (margin !== null && (best === null || margin > best.margin)) best = { entry, margin };
  }
  return best?.entry ?? null;
}

/**
 * What releases of the model had most of, by their own reports: those of the same base, prompts and encoder, the candidate
 * itself left out.
 */
export async function findAnchors(
  hub: Hub,
  context: RunContext,
  isCandidate: (release: Provenance) => boolean,
): Promise<Anchor[]> {
  const { release } = context.repos;
  const { encoder, promptSet } = context.config.evaluation;
  if ((await hub.resolve({ type: 'model', repo: release })) === null) return [];
  const releases = (await listReleases(hub, release)).filter(({ provenance }) => {
    const { base, config } = provenance.context;
    const isSame = base.commit === context.base.commit && config.evaluation.promptSet === promptSet;
    return isSame && !isCandidate(provenance);
  });
  const reports = await Promise.all(releases.map((entry) => reportOf(hub, entry, encoder)));
  return anchorsOf(
    releases.flatMap(({ tag }, index) => {
      const report = reports[index] ?? null;
      return report === null ? [] : [{ tag, metrics: report.metrics }];
    }),
  );
}

/** A report that is gone, damaged or of another encoder cannot be ranked. */
async function reportOf(hub: Hub, entry: ReleaseEntry, encoder: string): Promise<EvaluationReport | null> {
  const { type, repo, commit, path } = entry.provenance.evaluation.report;
  const bytes = await hub.read({ type, repo }, commit, path).catch(() => null);
  if (bytes === null) return null;
  const parsed = EvaluationReport.safeParse(jsonOrNull(bytes));
  return parsed.success && parsed.data.encoder.name === encoder ? parsed.data : null;
}
