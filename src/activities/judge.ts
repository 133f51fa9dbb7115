import type { GateDecision, PipelineActivities } from '../domain/activities.ts';
import { decide, type Verdict } from '../domain/gate.ts';
import { gateRules } from '../domain/gate-rules.ts';
import type { FileRef, RepoRef } from '../domain/refs.ts';
import { sha256Of } from '../hub/hashing.ts';
import type { Hub } from '../hub/hub.ts';
import { readVerifiedBytes } from '../hub/verified-json.ts';
import { EVALUATION_FILES, runSamples } from './evaluation-key.ts';

/** Reads the report from the Hub, decides, and stores the verdict beside it; the same report gives the same verdict. */
export function createJudge({ hub }: { hub: Hub }): PipelineActivities['judge'] {
  return async ({ context, evaluation }) => {
    const bytes = await readVerifiedBytes(hub, evaluation.report);
    const adapter = await readVerifiedBytes(hub, evaluation.adapter);
    const set = runSamples(context);
    const verdict = decide({
      report: parseOrNull(bytes),
      rules: gateRules(context.config),
      confidence: context.config.gate.confidence,
      expected: {
        reportSha256: sha256Of(bytes),
        adapterSha256: sha256Of(adapter),
        sampleSetSha256: set.sha256,
        samples: set.samples.length,
        encoder: context.config.evaluation.encoder,
      },
    });
    return {
      verdict: verdict.verdict,
      reasons: [...verdict.problems, ...verdict.rules.map((rule) => rule.sentence)],
      record: await store(hub, { type: 'dataset', repo: context.repos.record }, verdict),
    } satisfies GateDecision;
  };
}

/** What is not JSON is for the gate to refuse, not for a retry to repeat. */
function parseOrNull(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return null;
  }
}

async function store(hub: Hub, repo: RepoRef, verdict: Verdict): Promise<FileRef> {
  const content = `${JSON.stringify(verdict, null, 2)}\n`;
  const path = EVALUATION_FILES.verdict;
  const commit = await hub.commit({
    repo,
    message: `Verdict: ${verdict.verdict}`,
    files: [{ path, content }],
  });
  return { ...repo, commit, path, sha256: sha256Of(content) };
}
