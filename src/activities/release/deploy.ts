import { createHash } from 'node:crypto';
import { PipelineError } from '../../domain/errors.ts';
import { Verdict } from '../../domain/evaluation/gate.ts';
import { disagreements } from '../../domain/evaluation/verdict-check.ts';
import type { RepoRef, Sha256 } from '../../domain/refs.ts';
import type { ReleaseEntry } from '../../domain/release/provenance.ts';
import type { DeployRequest, PipelineActivities } from '../../domain/run/activities.ts';
import { commitOnHead } from '../../hub/commit-on-head.ts';
import { fingerprintOf } from '../../hub/hashing.ts';
import type { Hub } from '../../hub/hub.ts';
import { jsonOrNull, readVerified, readVerifiedBytes } from '../../hub/verified-json.ts';
import { deploymentProblems, type LicenseWithText, licenseOf } from '../../releases/base-license.ts';
import { listReleases, PRODUCTION, releaseNumber, releaseRepo, tagAt } from '../../releases/catalog.ts';
import { refuseTooLarge, weightsOfBase } from '../../releases/fits.ts';
import { readJournal } from '../../releases/journal.ts';
import { promote } from '../../releases/promote.ts';
import type { Promotion } from '../../releases/promotion.ts';
import { settle } from '../../releases/put-back.ts';
import { pin } from '../../releases/references.ts';
import { releaseFiles } from '../../releases/release-files.ts';
import { verifyVariants } from '../../releases/variants.ts';
import { appTemplate } from '../../space/space-repo.ts';

export type { DeployRequest };

/** What deployment needs besides its request. */
export interface DeployDeps {
  hub: Hub;
  /** Token that may read, for private Spaces; default: none. */
  spaceToken?: string | null;
  /** Called after every step that changed something, and while a Space is waited for; default: nothing. */
  onStep?: (step: string) => void;
  /** Milliseconds since the epoch; default: the clock. */
  now?: () => number;
  /** Cancellation of the activity that runs now; default: none. */
  signal?: () => AbortSignal | undefined;
  /** The Space's app for a new release; default: the one that comes with this version of Plein Air. */
  app?: () => Promise<{ path: string; content: Buffer }[]>;
}

/** An adapter whose verdict, approval and bytes were all checked again. */
interface Approved {
  bytes: Buffer;
  sha256: Sha256;
}

/** Re-verifies verdict and bytes and publishes them as the next tag; the same bytes of the same run keep theirs. */
export function createPublishRelease(deps: DeployDeps): PipelineActivities['publishRelease'] {
  return async (request) => {
    const { entry, cached } = await publishApproved(deps, request);
    const { tag, commit, provenance } = entry;
    return { repo: request.context.repos.release, tag, commit, sha256: provenance.adapter.sha256, cached };
  };
}

/**
 * Publishes, updates the Space, tries it as a user would, and moves `production` last; a Space that fails the trial is
 * put back. Killed anywhere, a second call goes on to the same end; called again after that, it answers the same.
 */
export function createDeploy(deps: DeployDeps): PipelineActivities['deploy'] {
  return async (request) => {
    const { entry } = await publishApproved(deps, request);
    return promote({
      ...promotionOf(deps, request),
      id: operationId(request),
      choose: async () => entry.tag,
    });
  };
}

/** Ends a deployment that will not be tried again, so that nothing is left between two releases. */
export function createSettleDeploy(deps: DeployDeps): PipelineActivities['settleDeploy'] {
  return async ({ reason, ...request }) => {
    const { release } = request.context.repos;
    if ((await deps.hub.resolve(releaseRepo(release), 'main')) === null) return null;
    const end = await settle(
      { ...promotionOf(deps, request), id: operationId(request), choose: async () => '' },
      reason,
    );
    if (end === null) return null;
    return end.state === 'undone'
      ? `${end.tag} was taken back, ${end.from ?? 'nothing'} is in production`
      : `${end.tag} is in production`;
  };
}

/** The same for every attempt at deploying these bytes in this execution of the run. */
function operationId({ context, evaluation }: DeployRequest): string {
  return `deploy-${context.runId}-${fingerprintOf(evaluation.adapter.sha256).slice(0, 16)}`;
}

function promotionOf(deps: DeployDeps, request: DeployRequest): Omit<Promotion, 'id' | 'choose'> {
  const { context, approval } = request;
  const { config, repos } = context;
  return {
    hub: deps.hub,
    release: repos.release,
    space: config.deployment.space ? repos.space : null,
    action: 'deploy',
    by: approval === null ? `run ${context.run}` : approval.by,
    reason: approval?.reason ?? `run ${context.run} passed the gate`,
    privateSpace: config.deployment.private,
    spaceToken: deps.spaceToken ?? null,
    now: deps.now ?? Date.now,
    onStep: deps.onStep ?? (() => undefined),
    signal: deps.signal?.(),
  };
}

async function publishApproved(
  deps: DeployDeps,
  request: DeployRequest,
): Promise<{ entry: ReleaseEntry; cached: boolean }> {
  const { hub, onStep = () => undefined, app = appTemplate } = deps;
  const license = await licenseOf(hub, request.context.base);
  refuseUnlicensed(request, license);
  const { config, repos } = request.context;
  const approved = await verifyApproved(hub, request);
  onStep(`verdict and sha256 of ${repos.record} verified`);
  await hub.ensureRepo(releaseRepo(repos.release), { private: config.deployment.private });
  return publish({ hub, request, approved, onStep, license, app: await app() });
}

/** The run's opening asks for it already; what goes out to people is worth a second look. */
function refuseUnlicensed({ context }: DeployRequest, license: LicenseWithText): void {
  const problems = deploymentProblems(license, context.base.repo, context.config.deployment);
  if (problems.length > 0) throw refused(`License of the base: ${problems.join('; ')}`);
}

async function verifyApproved(hub: Hub, request: DeployRequest): Promise<Approved> {
  const { context, evaluation, gate, approval } = request;
  // A person may overrule rules that do not hold, never a report that is not about these bytes.
  const overruled = context.config.gate.allowOverride && approval?.decision === 'approved';
  if (gate.verdict !== 'PASS' && !overruled) throw refused(`Expected verdict PASS, got ${gate.verdict}`);
  if (context.config.gate.requireApproval && approval?.decision !== 'approved')
    throw refused(
      approval === null
        ? 'Expected a person\'s approval (gate.requireApproval), got none: "plein-air approve"'
        : `Expected a person's approval, got "${approval.decision}" by ${approval.by}: ${approval.reason}`,
    );
  const verdict = await readVerified(hub, gate.record, Verdict);
  if (verdict.verdict !== gate.verdict)
    throw refused(
      `Expected the verdict ${gate.verdict} in ${gate.record.repo}:${gate.record.path}, got ${verdict.verdict}`,
    );
  if (verdict.problems.length > 0 || (verdict.verdict !== 'PASS' && !overruled))
    throw refused(
      `Expected verdict PASS in ${gate.record.repo}:${gate.record.path}, got ${[verdict.verdict, ...verdict.problems].join(': ')}`,
    );
  const { adapter } = evaluation;
  const bytes = await hub.read({ type: adapter.type, repo: adapter.repo }, adapter.commit, adapter.path);
  if (bytes === null)
    throw refused(
      `Expected the evaluated adapter at ${adapter.repo}@${adapter.commit}:${adapter.path}, got none`,
    );
  const sha256 = createHash('sha256').update(bytes).digest('hex') as Sha256;
  for (const [who, expected] of [
    ['the evaluation', adapter.sha256],
    ['the verdict', verdict.adapterSha256],
  ] as const)
    if (sha256 !== expected)
      throw refused(
        `Expected the adapter that ${who} judged (sha256 ${expected}), got ${sha256} at ${adapter.repo}:${adapter.path}`,
      );
  if (verdict.reportSha256 !== evaluation.report.sha256)
    throw refused(
      `Expected a verdict on report ${evaluation.report.sha256}, got one on ${verdict.reportSha256}`,
    );
  const report = await readVerifiedBytes(hub, evaluation.report);
  const wrong = verdict.verdict === 'PASS' ? disagreements(verdict, jsonOrNull(report)) : [];
  if (wrong.length > 0)
    throw refused(
      `Expected a PASS in ${gate.record.repo}:${gate.record.path} that follows from its report, got one where ${wrong.join('; ')}`,
    );
  await verifyVariants(hub, {
    wanted: context.config.deployment.variants,
    made: request.variants ?? [],
    adapterSha256: sha256,
  });
  return { bytes, sha256 };
}

/** A release that has these bytes: the run's own, or what is in production; else the next tag, made in one commit. */
async function publish(p: {
  hub: Hub;
  request: DeployRequest;
  approved: Approved;
  onStep: (step: string) => void;
  license: LicenseWithText;
  app: { path: string; content: Buffer }[];
}): Promise<{ entry: ReleaseEntry; cached: boolean }> {
  const { hub, request, approved } = p;
  const { context } = request;
  const repo = context.repos.release;
  const ref: RepoRef = releaseRepo(repo);
  return commitOnHead<{ entry: ReleaseEntry; cached: boolean }>(hub, { repo: ref }, async () => {
    const releases = await listReleases(hub, repo);
    const production = await tagAt(hub, repo, PRODUCTION);
    const known = await knownRelease(hub, request, {
      same: releases.filter((r) => r.provenance.adapter.sha256 === approved.sha256),
      production,
    });
    if (known !== undefined) {
      await pin(hub, known.provenance);
      return { done: { entry: known, cached: true } };
    }
    const tag = `v${Math.max(0, ...releases.map((r) => releaseNumber(r.tag) ?? 0)) + 1}`;
    const { files, provenance } = await releaseFiles({
      ...{ hub, request, tag, adapter: approved, license: p.license, app: p.app },
    });
    await refuseTooLarge({
      what: `release ${tag}`,
      files,
      baseBytes: () => weightsOfBase(hub, context),
      ownBytes: approved.bytes.length,
      deployment: context.config.deployment,
    });
    return {
      message: `Release ${tag}: ${context.config.model} from run ${context.run}`,
      files,
      answer: async (commit) => {
        p.onStep(`${tag} uploaded`);
        await hub.createTag(ref, tag, commit, `${context.config.model} ${tag} from run ${context.run}`);
        p.onStep(`${tag} tagged`);
        await pin(hub, provenance);
        p.onStep(`what ${tag} was made from is pinned`);
        return { entry: { tag, commit, provenance }, cached: false };
      },
    };
  });
}

/**
 * The release that these bytes have: of this execution, in production, or of the run as it was executed before. One that
 * was taken back keeps its number: the same bytes with a mended Space are a new release.
 */
async function knownRelease(
  hub: Hub,
  { context }: DeployRequest,
  p: { same: ReleaseEntry[]; production: string | null },
): Promise<ReleaseEntry | undefined> {
  const own = p.same.find((r) => r.provenance.context.runId === context.runId);
  if (own !== undefined || p.same.length === 0) return own;
  const back = new Set(
    (await readJournal(hub, context.repos.release)).filter((e) => e.state === 'undone').map((e) => e.tag),
  );
  return (
    p.same.find((r) => r.tag === p.production) ??
    p.same.find((r) => r.provenance.context.run === context.run && !back.has(r.tag))
  );
}

function refused(message: string): PipelineError {
  return new PipelineError('GateRefused', `${message}: nothing is released`);
}
