import type { GateRule } from '../../domain/config/gate-config.ts';
import { PipelineError } from '../../domain/errors.ts';
import type { Evaluation, GateDecision } from '../../domain/evaluation/decision.ts';
import { futility, nextOf } from '../../domain/evaluation/futility.ts';
import { decide, type Expected, type Verdict } from '../../domain/evaluation/gate.ts';
import {
  defaultRules,
  gateReference,
  gateRules,
  rulesLeftOut,
  rulesText,
} from '../../domain/evaluation/gate-rules.ts';
import { describeStanding, lookConfidence, type Standing } from '../../domain/evaluation/ledger.ts';
import { loosened } from '../../domain/evaluation/loosened.ts';
import type { FileRef, RepoRef } from '../../domain/refs.ts';
import type { PipelineActivities } from '../../domain/run/activities.ts';
import type { RunContext } from '../../domain/run/context.ts';
import { sha256Of } from '../../hub/hashing.ts';
import type { Hub } from '../../hub/hub.ts';
import { jsonOrNull, readVerifiedBytes } from '../../hub/verified-json.ts';
import { readStanding, recordLook } from '../../releases/ledger.ts';
import { humanEvidence } from '../../releases/ratings.ts';
import { findAnchors, findRivals } from '../../releases/rivals.ts';
import { evaluationDocuments } from '../../reports/pages/evaluation-document.ts';
import { readRunRecord } from '../run/open-run.ts';
import { completed, EVALUATION_FILES, runSamples } from './cache-key.ts';
import { trackDrift } from './drift.ts';

/** Reads the report from the Hub, decides, and stores the verdict beside it; the same report gives the same verdict. */
export function createJudge({
  hub,
  now = Date.now,
}: {
  hub: Hub;
  now?: () => number;
}): PipelineActivities['judge'] {
  return async ({ context: asked, evaluation, look = 1 }) => {
    const context = completed(asked);
    const bytes = await readVerifiedBytes(hub, evaluation.report);
    const standing = await standingIn(hub, context, evaluation);
    const { rules, expected, changed } = await expectation(hub, {
      standing,
      ...{ context, evaluation, look },
      reportSha256: sha256Of(bytes),
    });
    const verdict = withProblems(
      decide({
        report: jsonOrNull(bytes),
        rules,
        confidence: lookConfidence(context.config.gate, standing?.place),
        expected,
        leftOut: rulesLeftOut(context.config),
      }),
      changed,
    );
    const { looks } = context.config.gate;
    if (evaluation.candidate !== undefined)
      await recordLook(hub, context, {
        ...{ candidate: evaluation.candidate, look, verdict: verdict.verdict, at: now() },
      });
    const drift = await trackDrift(hub, { context, report: jsonOrNull(bytes), verdict, now: now() });
    return {
      verdict: verdict.verdict,
      reasons: [
        ...verdict.problems,
        ...(standing === null ? [] : [`LEDGER ${describeStanding(standing)}`]),
        ...(verdict.loosened ?? []).map((sentence) => `LOOSENED ${sentence}`),
        ...verdict.rules.map((rule) => rule.sentence),
        ...[futility(verdict, look, looks)].filter((sentence) => sentence !== null),
        ...(verdict.anchors ?? []).map(
          ({ metric, tag, low }) =>
            `ANCHOR ${metric}: ${tag} had at least ${Number(low.toPrecision(3))} of the base's.`,
        ),
        ...(verdict.notApplicable ?? []),
        ...(drift?.sentences ?? []),
      ],
      record: await store(hub, { context, evaluation, verdict, more: drift?.files ?? [] }),
      ...nextOf(verdict, look, looks),
    } satisfies GateDecision;
  };
}

/** Where the ledger has the candidate; null: it was measured before there was one. One that is gone from it is refused. */
async function standingIn(
  hub: Hub,
  context: RunContext,
  { candidate }: Evaluation,
): Promise<Standing | null> {
  if (candidate === undefined) return null;
  const standing = await readStanding(hub, context, candidate);
  if (standing !== null) return standing;
  throw new PipelineError(
    'Corrupt',
    `expected candidate ${candidate} in the ledger of model "${context.config.model}", got none: it was entered before it was measured, and somebody took it out`,
  );
}

/** What the report must be about, looked up anew: nothing of it is taken from the report. */
async function expectation(
  hub: Hub,
  p: Pick<Expected, 'reportSha256'> & {
    context: RunContext;
    evaluation: Evaluation;
    look: number;
    standing: Standing | null;
  },
): Promise<{ rules: GateRule[]; expected: Expected; changed: string[] }> {
  const { context, evaluation, look } = p;
  const adapter = await readVerifiedBytes(hub, evaluation.adapter);
  const adapterSha256 = sha256Of(adapter);
  const set = runSamples(context, look);
  const pinned = (await readRunRecord(hub, { type: 'dataset', repo: context.repos.record }))?.gate;
  // A newer version may have other defaults: the run is judged by those that it began with.
  const rules = context.config.gate.rules ?? pinned?.rules ?? gateRules(context.config);
  const rulesSha256 = sha256Of(rulesText(context.config.gate, rules));
  const rivals = await findRivals(hub, context, (release) => release.adapter.sha256 === adapterSha256);
  const human = await humanEvidence(
    hub,
    { type: 'dataset', repo: context.repos.record },
    {
      ...{ adapterSha256, sampleSetSha256: set.sha256 },
      production: rivals.find(({ name }) => name === 'production')?.adapterSha256 ?? null,
      confidence: lookConfidence(context.config.gate, p.standing?.place),
    },
  );
  return {
    rules,
    expected: {
      ...(human === null ? {} : { human }),
      reportSha256: p.reportSha256,
      adapterSha256,
      sampleSetSha256: set.sha256,
      samples: set.samples.length,
      encoder: context.config.evaluation.encoder,
      reference: gateReference(context.config),
      rivals: rivals.map(({ name, tag, adapterSha256: sha256 }) => ({ name, tag, adapterSha256: sha256 })),
      rulesSha256,
      look,
      looks: context.config.gate.looks,
      anchors: await findAnchors(hub, context, (release) => release.adapter.sha256 === adapterSha256),
      loosened: loosened(rules, defaultRules(context.config)),
      ...(p.standing === null ? {} : { standing: p.standing }),
    },
    changed:
      pinned === undefined || pinned.sha256 === rulesSha256
        ? []
        : [
            `Expected the rules that the run was started with (sha256 ${pinned.sha256}), got others (${rulesSha256}): they changed after training began.`,
          ],
  };
}

function withProblems(verdict: Verdict, more: string[]): Verdict {
  if (more.length === 0) return verdict;
  return { ...verdict, verdict: 'FAIL', problems: [...verdict.problems, ...more], stale: false };
}

/** The verdict, and a page for people, in one commit. */
async function store(
  hub: Hub,
  p: {
    context: RunContext;
    evaluation: Evaluation;
    verdict: Verdict;
    more: { path: string; content: string }[];
  },
): Promise<FileRef> {
  const repo: RepoRef = { type: 'dataset', repo: p.context.repos.record };
  const content = `${JSON.stringify(p.verdict, null, 2)}\n`;
  const path = EVALUATION_FILES.verdict;
  const pages = await evaluationDocuments(hub, p);
  const commit = await hub.commit({
    repo,
    message: `Verdict: ${p.verdict.verdict}`,
    files: [{ path, content }, ...pages, ...p.more],
  });
  return { ...repo, commit, path, sha256: sha256Of(content) };
}
