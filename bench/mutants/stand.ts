/** The real activities over a local Hub, and what became of each candidate: for bench/gate-mutants.ts. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { createEvaluate } from '../../src/activities/evaluate/evaluate.ts';
import { createJudge } from '../../src/activities/evaluate/judge.ts';
import { createDeploy, createPublishRelease } from '../../src/activities/release/deploy.ts';
import { createOpenRun } from '../../src/activities/run/open-run.ts';
import { copyLocally } from '../../src/activities/support/model-cache.ts';
import { createTrain } from '../../src/activities/train/train.ts';
import { GENERATED_WIKIART, TINY_FLUX } from '../../src/cli/seed.ts';
import { pythonPath, readEnvironment } from '../../src/config/env.ts';
import { PROJECT, PYTHON_PACKAGE, TINY_BASE } from '../../src/config/paths.ts';
import { parseRunConfig } from '../../src/domain/config/run-config.ts';
import type { Evaluation, GateDecision } from '../../src/domain/evaluation/decision.ts';
import { Verdict } from '../../src/domain/evaluation/gate.ts';
import { EvaluationReport, type Metric } from '../../src/domain/evaluation/report.ts';
import { type CommitRef, RepoId, type RepoRef } from '../../src/domain/refs.ts';
import type { DeployRequest } from '../../src/domain/run/activities.ts';
import type { RunContext } from '../../src/domain/run/context.ts';
import type { Training } from '../../src/domain/training/training.ts';
import { connectHub } from '../../src/hub/client.ts';
import { readVerified } from '../../src/hub/verified-json.ts';
import { startLocalHub } from '../../src/local-hub/server.ts';
import { createTrainer } from '../../src/trainer/process.ts';
import { seedGeneratedWikiArt } from '../../src/wikiart/synthetic/seed.ts';
import { seedTinyBase } from '../../src/wikiart/synthetic/seed-base.ts';
import { prepareHere } from '../../test/activities/prepare-here.ts';

export const modelRepo = (name: string): RepoRef => ({
  type: 'model',
  repo: RepoId.parse(`plein-air/${name}`),
});
export const dataRepo = (name: string): RepoRef => ({
  type: 'dataset',
  repo: RepoId.parse(`plein-air/${name}`),
});

/** What became of a candidate. */
export interface Row {
  candidate: string;
  /** Who refused it, or the tag that it was published as. */
  outcome: string;
  why: string[];
  /** Whether it went as it should. */
  right: boolean;
}

/** A candidate on its way through the activities. */
export interface Candidate {
  name: string;
  context: RunContext;
  training: Training;
  evaluation: Evaluation;
}

export type MutantStand = Awaited<ReturnType<typeof openMutantStand>>;

const ACCESS = 'hf_local_plein_air';
const TOLD = [
  'gaussianMmd.improvement',
  'kid.improvement',
  'style.marginGain',
  'diversity.vendi',
  'copying.close',
];

/**
 * A Hub with the tiny base and a prepared dataset, one warm trainer, and the activities. In a folder that is kept, whatever
 * an earlier call did is found done, as activities do.
 */
export async function openMutantStand(kept?: string) {
  const python = pythonPath(readEnvironment());
  const root = kept ?? (await mkdtemp(join(tmpdir(), 'plein-air-mutants-')));
  const server = await startLocalHub({ root: join(root, 'hub') });
  const hub = connectHub({ endpoint: server.url, accessToken: ACCESS });
  const trainer = createTrainer({
    ...{ python, packageFolder: PYTHON_PACKAGE, log: () => undefined, killGraceMs: 500 },
  });
  const workDir = join(root, 'work');
  const deps = { hub, trainer, workDir, heartbeat: () => undefined };
  const seeds = { hubUrl: server.url, accessToken: ACCESS };
  await seedGeneratedWikiArt({ ...seeds, repo: GENERATED_WIKIART, workDir });
  await seedTinyBase({ ...seeds, repo: TINY_FLUX, folder: TINY_BASE });

  /** A run with its own record, its rules pinned. */
  async function open(run: string, change: Record<string, unknown> = {}): Promise<RunContext> {
    const deployment = { space: false };
    const parsed = parseRunConfig({ run, profile: 'tiny', model: 'painter', deployment, ...change });
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
    return createOpenRun({ hub })({ config: parsed.value, workflowId: run, runId: `${run}-1` });
  }
  const { dataset } = await prepareHere(deps, await open('preparation'));

  async function train(context: RunContext, on: CommitRef = dataset): Promise<Training> {
    const info = {
      ...{ workflowExecution: { workflowId: context.workflowId, runId: context.runId } },
      ...{ activityId: 'train', attempt: 1 },
    };
    const activity = () => ({
      info,
      heartbeat: () => undefined,
      cancellationSignal: new AbortController().signal,
    });
    return createTrain({ hub, trainer, workDir: join(root, context.run), activity, log: () => undefined })({
      ...{ context, dataset: on, branch: 'main', parameters: {}, stopAtStep: null, acceptDifferences: [] },
    });
  }

  /** Puts a folder on the Hub. */
  async function upload(repo: RepoRef, folder: string, at = ''): Promise<CommitRef> {
    const found = await readdir(folder, { recursive: true, withFileTypes: true });
    const files = found
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((file) => ({ path: `${at}${file.slice(folder.length + 1)}`, content: { file } }));
    await hub.ensureRepo(repo);
    return { ...repo, commit: await hub.commit({ repo, message: 'Upload', files }) };
  }

  return {
    ...{ hub, root, workDir, dataset, open, train, upload },
    python: (script: string, ...args: string[]) => execa(python, [join(PROJECT, 'bench', script), ...args]),
    localDataset: () => copyLocally(deps, dataset),
    evaluate: createEvaluate(deps),
    judge: createJudge({ hub }),
    publish: createPublishRelease({ hub }),
    deploy: createDeploy({ hub }),
    async close() {
      await trainer.close();
      await server.close();
      if (kept === undefined) await rm(root, { recursive: true, force: true });
    },
  };
}

/** What publishing and deploying a candidate needs. */
export function deployRequest(at: MutantStand, c: Candidate, gate: GateDecision): DeployRequest {
  const images = { train: 0, held_out: 0, test: 0, neighbors: 0 };
  const { context, training, evaluation } = c;
  const dataset = { dataset: at.dataset, images, dropped: {}, cached: true };
  return { context, training, evaluation, gate, dataset, approval: null };
}

/** The rules that did not hold and the figures that people ask for. */
export async function reasons(at: MutantStand, c: Candidate, gate: GateDecision): Promise<string[]> {
  const verdict = await readVerified(at.hub, gate.record, Verdict);
  const bad = verdict.rules.filter((rule) => rule.outcome !== 'pass').map((rule) => rule.sentence);
  const { metrics } = await readVerified(at.hub, c.evaluation.report, EvaluationReport);
  const figure = (m: Metric | undefined) =>
    [m?.estimate, m?.low, m?.high].map((value) => value?.toPrecision(3) ?? 'none').join(' ');
  return [
    ...verdict.problems,
    ...bad,
    `(${TOLD.map((name) => `${name} ${figure(metrics[name])}`).join('; ')})`,
  ];
}

/** The table of all rows, in Markdown. */
export function tableOf(rows: readonly Row[]): string {
  const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
  return [
    '| candidate | outcome | by |',
    '|---|---|---|',
    ...rows.map(({ candidate, outcome, why }) => `| ${candidate} | ${outcome} | ${cell(why.join('<br>'))} |`),
  ].join('\n');
}
