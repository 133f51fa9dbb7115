import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { HISTORY_FILES } from '../../../src/activities/evaluate/drift.ts';
import { createEvaluate } from '../../../src/activities/evaluate/evaluate.ts';
import { createJudge } from '../../../src/activities/evaluate/judge.ts';
import { createDeploy } from '../../../src/activities/release/deploy.ts';
import type { Evaluation, GateDecision } from '../../../src/domain/evaluation/decision.ts';
import { HistoryEntry } from '../../../src/domain/evaluation/drift.ts';
import { Verdict } from '../../../src/domain/evaluation/gate.ts';
import { EvaluationReport } from '../../../src/domain/evaluation/report.ts';
import { RunName } from '../../../src/domain/refs.ts';
import type { DeployRequest } from '../../../src/domain/run/activities.ts';
import type { RunContext } from '../../../src/domain/run/context.ts';
import { reevaluationRecord } from '../../../src/domain/run/repositories.ts';
import { sha256Of } from '../../../src/hub/hashing.ts';
import { readVerified } from '../../../src/hub/verified-json.ts';
import { type EvaluationStand, openEvaluationStand } from '../evaluation-stand.ts';

let at: EvaluationStand;
let released: { context: RunContext; evaluation: Evaluation; gate: GateDecision };

/** Gates whose verdicts do not hang on what a random base paints. */
const EASY = [{ metric: 'integrity.broken', must: 'below', threshold: 1 }] as const;
const AGAINST = [
  ...EASY,
  { metric: 'kid.improvement', must: 'above', threshold: -100, against: 'production' },
  { metric: 'copying.increase', must: 'below', threshold: -0.5, against: 'production' },
] as const;

function contextOf(run: string, rules: readonly object[], change: Partial<RunContext['config']> = {}) {
  const context = at.contextOf(run);
  const gate = { ...context.config.gate, rules: rules as RunContext['config']['gate']['rules'] };
  const deployment = { ...context.config.deployment, space: false, licenseSignOff: 'A Person' };
  const config = { ...context.config, gate, deployment, ...change };
  return { ...context, run: RunName.parse(run), runId: `id-${run}`, config };
}

async function evaluated(context: RunContext) {
  const { stand, warm, dataset, training } = at;
  const evaluate = createEvaluate({
    ...{ hub: stand.hub, trainer: warm, heartbeat: () => undefined },
    workDir: join(stand.root, 'evaluator'),
  });
  return evaluate({ context, dataset, training });
}

const judge = (context: RunContext, evaluation: Evaluation, now = 1) =>
  createJudge({ hub: at.stand.hub, now: () => now })({ context, evaluation });

function requestOf(p: { context: RunContext; evaluation: Evaluation; gate: GateDecision }): DeployRequest {
  const images = { train: 1, held_out: 1, test: 1, neighbors: 1 };
  const { dataset, training } = at;
  return { ...p, training, dataset: { dataset, images, dropped: {}, cached: true }, approval: null };
}

beforeAll(async () => {
  at = await openEvaluationStand();
  const context = contextOf('first', EASY);
  const evaluation = await evaluated(context);
  released = { context, evaluation, gate: await judge(context, evaluation) };
  await createDeploy({ hub: at.stand.hub })(requestOf(released));
}, 400_000);
afterAll(() => at.stand.close());

describe('a candidate after a release', () => {
  it('is sampled and measured beside what is in production, and judged against it', async () => {
    const context = contextOf('second', AGAINST, { sabotage: 'zero-lora' });
    const evaluation = await evaluated(context);
    const report = await readVerified(at.stand.hub, evaluation.report, EvaluationReport);
    const [against, ...more] = report.comparisons ?? [];
    expect(more).toEqual([]);
    expect(against).toMatchObject({
      ...{ name: 'production', tag: 'v1', adapterSha256: released.evaluation.adapter.sha256 },
    });
    const base = report.metrics['effect.pixels'];
    // Without an effect it paints as the base does, and the release does not.
    expect(base?.estimate).toBe(0);
    expect(against?.metrics['effect.pixels']?.estimate).toBeGreaterThan(0);
    const first = await readVerified(at.stand.hub, released.evaluation.report, EvaluationReport);
    expect(against?.metrics['kid.production']).toEqual(first.metrics['kid.candidate']);
    const gate = await judge(context, evaluation);
    const verdict = await readVerified(at.stand.hub, gate.record, Verdict);
    expect(verdict.rivals).toEqual([
      { name: 'production', tag: 'v1', adapterSha256: released.evaluation.adapter.sha256 },
    ]);
    expect(verdict.rules.map(({ outcome, against: who }) => [who, outcome])).toEqual([
      [undefined, 'pass'],
      ['production', 'pass'],
      ['production', 'fail'],
    ]);
    const files = await at.stand.hub.list(
      { type: 'dataset', repo: context.repos.record },
      gate.record.commit,
      'evaluation/rivals/production',
    );
    expect(files.filter(({ path }) => path.endsWith('.png'))).toHaveLength(32);
  }, 120_000);

  it('is not a PASS on a report from before the release, however good: it is measured again', async () => {
    const context = contextOf('early', AGAINST, { sabotage: 'zero-lora' });
    const { comparisons: _, ...alone } = await readVerified(
      at.stand.hub,
      (await evaluated(context)).report,
      EvaluationReport,
    );
    const record = { type: 'dataset', repo: context.repos.record } as const;
    const evaluation = await evaluated(context);
    const content = JSON.stringify(alone);
    const path = evaluation.report.path;
    const commit = await at.stand.hub.commit({ repo: record, message: 'Old', files: [{ path, content }] });
    const report = { ...evaluation.report, commit, sha256: sha256Of(content) };
    const gate = await judge(context, { ...evaluation, report });
    expect(gate).toMatchObject({ verdict: 'FAIL', next: 'measure-again' });
    expect(gate.reasons[0]).toContain('Expected a comparison with production v1');
  }, 120_000);
});

describe('the nightly re-evaluation', () => {
  const night = (runId: string, change: Partial<RunContext['config']> = {}): RunContext => {
    const context = contextOf('first', EASY, change);
    const { namespace, config } = context;
    return {
      ...{ ...context, runId },
      repos: { ...context.repos, record: reevaluationRecord(namespace, config.model) },
    };
  };
  const history = async () => {
    const repo = { type: 'dataset', repo: night('any').repos.record } as const;
    const head = (await at.stand.hub.resolve(repo)) ?? 'none';
    const [lines, plot] = await Promise.all(
      [HISTORY_FILES.lines, HISTORY_FILES.plot].map((path) => at.stand.hub.read(repo, head, path)),
    );
    const entries = String(lines).trim().split('\n');
    return { entries: entries.map((line) => HistoryEntry.parse(JSON.parse(line))), plot: String(plot) };
  };

  it('adds a line and a plot to the model’s history, and finds no drift where nothing changed', async () => {
    const context = night('night-1');
    const gate = await judge(context, await evaluated(context), 1000);
    expect(gate.verdict).toBe('PASS');
    const { entries, plot } = await history();
    expect(entries).toHaveLength(1);
    expect(entries[0]).toMatchObject({ runId: 'night-1', at: 1000, tag: 'v1', verdict: 'PASS', drift: [] });
    expect(plot).toContain('<svg');
  }, 120_000);

  it('has one line a night, however often the judge ran, and keeps its time', async () => {
    const context = night('night-1');
    await judge(context, await evaluated(context), 2000);
    const second = night('night-2');
    await judge(second, await evaluated(second), 3000);
    const { entries } = await history();
    expect(entries.map(({ runId, at: when }) => [runId, when])).toEqual([
      ['night-1', 1000],
      ['night-2', 3000],
    ]);
  }, 120_000);

  it('tells a figure that moved since the release’s own report', async () => {
    const context = night('night-3');
    const evaluation = await evaluated(context);
    const report = await readVerified(at.stand.hub, evaluation.report, EvaluationReport);
    const margin = report.metrics['style.margin'];
    if (margin?.estimate == null) throw new Error('expected a style margin, got none');
    const { estimate } = margin;
    const moved = { ...margin, estimate: estimate - 2, low: estimate - 2.01, high: estimate - 1.99 };
    const content = JSON.stringify({ ...report, metrics: { ...report.metrics, 'style.margin': moved } });
    const { type, repo, path } = evaluation.report;
    const commit = await at.stand.hub.commit({
      ...{ repo: { type, repo }, message: 'Another encoder', files: [{ path, content }] },
    });
    const changed = { ...evaluation.report, commit, sha256: sha256Of(content) };
    const gate = await judge(context, { ...evaluation, report: changed }, 4000);
    expect(gate.reasons.join('\n')).toContain('DRIFT style.margin');
    const { entries } = await history();
    expect(entries.at(-1)?.drift[0]).toContain('DRIFT style.margin');
  }, 120_000);

  it('is not made of a run that judges its own candidate', async () => {
    const { context, evaluation } = released;
    await judge(context, evaluation);
    const record = { type: 'dataset', repo: context.repos.record } as const;
    const head = (await at.stand.hub.resolve(record)) ?? 'none';
    expect(await at.stand.hub.read(record, head, HISTORY_FILES.lines)).toBeNull();
  });
});
