import { createHash } from 'node:crypto';
import type { PipelineActivities } from '../domain/activities.ts';
import { PipelineError } from '../domain/errors.ts';
import { Verdict } from '../domain/gate.ts';
import type { RepoRef, Sha256 } from '../domain/refs.ts';
import { type Hub, HubConflict } from '../hub/hub.ts';
import { readVerified, readVerifiedBytes } from '../hub/verified-json.ts';
import { listReleases, PRODUCTION, releaseNumber, releaseRepo, tagAt } from '../releases/catalogue.ts';
import { promote } from '../releases/promote.ts';
import { fingerprintOf, type ReleaseEntry } from '../releases/provenance.ts';
import { releaseFiles } from '../releases/release-files.ts';

export type DeployRequest = Parameters<PipelineActivities['deploy']>[0];

/** What deployment needs besides its request. */
export interface DeployDeps {
  hub: Hub;
  /** Called after every step that changed something; default: nothing. */
  onStep?: (step: string) => void;
  /** Milliseconds since the epoch; default: the clock. */
  now?: () => number;
}

/** An adapter whose verdict, approval and bytes were all checked again. */
interface Approved {
  bytes: Buffer;
  sha256: Sha256;
}

/**
 * Re-verifies verdict and bytes, publishes them as the next tag, updates the Space and moves `production` last. Killed
 * anywhere, a second call goes on to the same end; called again after that, it answers the same and changes nothing.
 */
export function createDeploy(deps: DeployDeps): PipelineActivities['deploy'] {
  const { hub, onStep = () => undefined, now = Date.now } = deps;
  return async (request) => {
    const { context } = request;
    const { config, repos } = context;
    const approved = await verifyApproved(hub, request);
    onStep(`verdict and sha256 of ${repos.record} verified`);
    await hub.ensureRepo(releaseRepo(repos.release), { private: config.deployment.private });
    const entry = await publish({ hub, request, approved, onStep });
    return promote({
      hub,
      release: repos.release,
      space: config.deployment.space ? repos.space : null,
      id: `deploy-${context.runId}-${fingerprintOf(entry.provenance.adapter.sha256).slice(0, 16)}`,
      action: 'deploy',
      choose: async () => entry.tag,
      by: request.approval === null ? `run ${context.run}` : request.approval.by,
      reason: request.approval?.reason ?? `run ${context.run} passed the gate`,
      privateSpace: config.deployment.private,
      now,
      onStep,
    });
  };
}

async function verifyApproved(hub: Hub, request: DeployRequest): Promise<Approved> {
  const { context, evaluation, gate, approval } = request;
  if (gate.verdict !== 'PASS') throw refused(`Expected verdict PASS, got ${gate.verdict}`);
  if (context.config.gate.requireApproval && approval?.decision !== 'approved')
    throw refused(
      approval === null
        ? 'Expected a person\'s approval (gate.requireApproval), got none: "plein-air approve"'
        : `Expected a person's approval, got "${approval.decision}" by ${approval.by}: ${approval.reason}`,
    );
  const verdict = await readVerified(hub, gate.record, Verdict);
  if (verdict.verdict !== 'PASS')
    throw refused(`Expected verdict PASS in ${gate.record.repo}:${gate.record.path}, got ${verdict.verdict}`);
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
  await readVerifiedBytes(hub, evaluation.report);
  return { bytes, sha256 };
}

/** A release that has these bytes: the run's own, or what is in production; else the next tag, made in one commit. */
async function publish(p: {
  hub: Hub;
  request: DeployRequest;
  approved: Approved;
  onStep: (step: string) => void;
}): Promise<ReleaseEntry> {
  const { hub, request, approved } = p;
  const { context } = request;
  const repo = context.repos.release;
  const ref: RepoRef = releaseRepo(repo);
  for (let attempt = 0; ; attempt++) {
    const releases = await listReleases(hub, repo);
    const production = await tagAt(hub, repo, PRODUCTION);
    const same = releases.filter((r) => r.provenance.adapter.sha256 === approved.sha256);
    const known =
      same.find((r) => r.provenance.context.runId === context.runId) ??
      same.find((r) => r.tag === production);
    if (known !== undefined) return known;
    const tag = `v${Math.max(0, ...releases.map((r) => releaseNumber(r.tag) ?? 0)) + 1}`;
    const parent = await hub.resolve(ref, 'main');
    const made = await releaseFiles({ hub, request, tag, adapter: approved });
    try {
      const commit = await hub.commit({
        repo: ref,
        ...(parent === null ? {} : { parent }),
        message: `Release ${tag}: ${context.config.model} from run ${context.run}`,
        files: made.files,
      });
      p.onStep(`${tag} uploaded`);
      await hub.createTag(ref, tag, commit, `${context.config.model} ${tag} from run ${context.run}`);
      p.onStep(`${tag} tagged`);
      return { tag, commit, provenance: made.provenance };
    } catch (error) {
      if (!(error instanceof HubConflict) || attempt >= 4) throw error;
    }
  }
}

function refused(message: string): PipelineError {
  return new PipelineError('GateRefused', `${message}: nothing is released`);
}
