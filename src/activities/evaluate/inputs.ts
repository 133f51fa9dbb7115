import type { Evaluation } from '../../domain/evaluation/decision.ts';
import type { Candidacy } from '../../domain/evaluation/ledger.ts';
import type { CommitSha, FileRef, RepoRef, Sha256 } from '../../domain/refs.ts';
import type { Provenance } from '../../domain/release/provenance.ts';
import type { GpuActivities } from '../../domain/run/activities.ts';
import { sha256Of } from '../../hub/hashing.ts';
import type { Hub } from '../../hub/hub.ts';
import { parseJson } from '../../hub/verified-json.ts';
import { enterCandidate } from '../../releases/ledger.ts';
import { findRivals, type RivalRelease } from '../../releases/rivals.ts';
import { EVALUATION_FILES, EvaluationKey, evaluationKey, runSamples } from './cache-key.ts';
import { type PinnedModel, pinModels } from './models.ts';

export type EvaluateRequest = Parameters<GpuActivities['evaluate']>[0];

/** Everything that an evaluation is made from, looked up once. */
export interface EvaluationInputs {
  request: EvaluateRequest;
  look: number;
  rivals: RivalRelease[];
  models: PinnedModel[];
  candidacy: Candidacy;
  key: ReturnType<typeof evaluationKey>;
}

/** Looks up everything that decides an evaluation. */
export async function lookUp(hub: Hub, request: EvaluateRequest): Promise<EvaluationInputs> {
  const { context, training } = request;
  const look = request.look ?? 1;
  // Not exported yet: known by the matrices it was trained to. A sabotaged export is nobody's release.
  const isCandidate = (release: Provenance) =>
    context.config.sabotage === 'none' && release.training.adapterSha256 === training.adapterSha256;
  const [rivals, models, candidacy] = await Promise.all([
    findRivals(hub, context, isCandidate),
    pinModels(hub, context.config.evaluation.models),
    enter(hub, request),
  ]);
  const key = evaluationKey({ ...request, look, rivals, models, place: candidacy.place });
  return { request, look, rivals, models, candidacy, key };
}

/** The candidate on its model's ledger: adapter and sample set, whoever measures it. */
async function enter(hub: Hub, { context, training }: EvaluateRequest): Promise<Candidacy> {
  const { adapterSha256 } = training;
  const sampleSetSha256 = runSamples(context).sha256;
  const candidate = sha256Of(JSON.stringify([adapterSha256, context.config.sabotage, sampleSetSha256]));
  return enterCandidate(hub, context, { candidate, adapterSha256, sampleSetSha256 });
}

/** The evaluation of the same inputs that the record repository holds, its report verified; null: there is none. */
export async function findDone(hub: Hub, { request, key }: EvaluationInputs): Promise<Evaluation | null> {
  const repo = recordOf(request);
  const head = await hub.resolve(repo);
  const bytes = head === null ? null : await hub.read(repo, head, EVALUATION_FILES.key);
  if (head === null || bytes === null) return null;
  const known = parseJson(bytes, EvaluationKey, `${repo.repo} ${EVALUATION_FILES.key}`);
  if (known.key !== key.key) return null;
  const report = await hub.read(repo, head, EVALUATION_FILES.report);
  const adapter = await hub.read(repo, head, EVALUATION_FILES.adapter);
  const whole =
    report !== null &&
    adapter !== null &&
    sha256Of(report) === known.reportSha256 &&
    sha256Of(adapter) === known.adapterSha256;
  return whole ? answer(repo, head, known) : null;
}

/** An evaluation in the record repository at a commit. */
export function answer(repo: RepoRef, commit: CommitSha, key: EvaluationKey): Evaluation {
  const at = (path: string, sha256: Sha256): FileRef => ({ ...repo, commit, path, sha256 });
  return {
    report: at(EVALUATION_FILES.report, key.reportSha256),
    adapter: at(EVALUATION_FILES.adapter, key.adapterSha256),
    summary: key.summary,
    ...(key.candidate === undefined ? {} : { candidate: key.candidate }),
  };
}

/** The record repository of a run. */
export function recordOf(request: EvaluateRequest): RepoRef {
  return { type: 'dataset', repo: request.context.repos.record };
}
