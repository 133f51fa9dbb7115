import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createChooseCheckpoint } from '../../src/activities/evaluate/choose-checkpoint.ts';
import { createEvaluate } from '../../src/activities/evaluate/evaluate.ts';
import { createJudge } from '../../src/activities/evaluate/judge.ts';
import { createOpenRun } from '../../src/activities/run/open-run.ts';
import type { ActivityContext } from '../../src/activities/support/activity-context.ts';
import { createTrain } from '../../src/activities/train/train.ts';
import { pythonPath, readEnvironment } from '../../src/config/env.ts';
import { PYTHON_PACKAGE } from '../../src/config/paths.ts';
import { MODEL_ROLES } from '../../src/domain/config/evaluation-models.ts';
import { parseRunConfig } from '../../src/domain/config/run-config.ts';
import { CheckpointChoice } from '../../src/domain/evaluation/checkpoint-ranking.ts';
import { EvaluationReport } from '../../src/domain/evaluation/report.ts';
import { type CommitRef, RepoId } from '../../src/domain/refs.ts';
import type { GpuProgress } from '../../src/domain/run/activities.ts';
import { TrainingLedger } from '../../src/domain/training/ledger.ts';
import { connectHub } from '../../src/hub/client.ts';
import type { Hub } from '../../src/hub/hub.ts';
import { readVerified } from '../../src/hub/verified-json.ts';
import { createTrainer } from '../../src/trainer/process.ts';
import type { Trainer } from '../../src/trainer/trainer.ts';
import { upload } from '../activities/training-stand.ts';
import { startHubInTest, TOKEN } from '../local-hub/hub-in-test.ts';
import { python, seedRealLayout } from './real-layout.ts';
import { ownSettings, REAL_PROFILES, scaledProfile } from './scaled.ts';

let root: string;
let server: Awaited<ReturnType<typeof startHubInTest>>;
let hub: Hub;
let dataset: CommitRef;
let trainer: Trainer;
const said: string[] = [];

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'profiles-'));
  server = await startHubInTest();
  hub = connectHub({ endpoint: server.url, accessToken: TOKEN });
  await seedRealLayout(hub, join(root, 'repos'));
  const write =
    'import painted_sets, sys; from pathlib import Path; painted_sets.write_dataset(Path(sys.argv[1]))';
  await python(write, [join(root, 'paintings')]);
  const source = { type: 'dataset', repo: RepoId.parse('huggan/wikiart') } as const;
  dataset = await upload(hub, source, join(root, 'paintings'));
  trainer = createTrainer({
    ...{ python: pythonPath(readEnvironment()), packageFolder: PYTHON_PACKAGE },
    log: (line) => said.push(line),
  });
}, 200_000);
afterAll(async () => {
  await trainer?.close();
  await server?.stop();
  await rm(root, { recursive: true, force: true });
});

/** One attempt at a run's training; `onBeat` hears its heartbeats. */
function attempt(
  context: Awaited<ReturnType<ReturnType<typeof createOpenRun>>>,
  number: number,
  onBeat: (progress: GpuProgress) => void,
) {
  const activity: ActivityContext = {
    info: {
      workflowExecution: { workflowId: context.workflowId, runId: context.runId },
      ...{ activityId: 'train', attempt: number },
    },
    heartbeat: (details) => onBeat(details as GpuProgress),
    cancellationSignal: new AbortController().signal,
  };
  const workDir = join(root, `machine-${context.run}-${number}`);
  const log = (line: string) => said.push(line);
  const train = createTrain({ hub, trainer, workDir, activity: () => activity, log });
  const request = { context, dataset, branch: 'main', parameters: {}, stopAtStep: null };
  return train({ ...request, acceptDifferences: [] });
}

describe.each(REAL_PROFILES)('the profile %s, small, with its own settings', (profile) => {
  it('paints validation images, is killed, resumes, chooses a checkpoint and reaches a verdict', async () => {
    const config = scaledProfile(profile, {
      evaluation: { promptSet: 'tiny-v1' },
      // So little that every step's held-out loss is the same to the bit: all are near the least, and are judged.
      training: { learningRate: 1e-12 },
      deployment: { licenseSignOff: 'A Person' },
    });
    const whole = parseRunConfig({ profile });
    if (!whole.ok) throw new Error(profile);
    expect(ownSettings(config)).toEqual(ownSettings(whole.value));
    const ids = { workflowId: `small-${profile}`, runId: `run-of-${profile}` };
    const context = await createOpenRun({ hub })({ config: { ...config, run: null }, ...ids });

    const first = attempt(context, 1, ({ lastCheckpoint }) => {
      if (lastCheckpoint !== null && trainer.pid !== null) process.kill(trainer.pid, 'SIGKILL');
    });
    await expect(first).rejects.toMatchObject({ kind: 'TrainerDied' });
    const training = await attempt(context, 2, () => undefined);
    expect(training).toMatchObject({ outcome: 'done', step: config.training.steps });
    const { type, repo, commit } = training.checkpoint;
    const ledger = await hub.read({ type, repo }, commit, 'ledger.json');
    const { attempts } = TrainingLedger.parse(JSON.parse(String(ledger)));
    expect(attempts[1]?.resumedFrom).toBeGreaterThan(0);
    const record = { type: 'dataset', repo: context.repos.record } as const;
    const images = await hub.list(record, 'main', 'samples/main');
    expect(images.map(({ path }) => path)).toContain('samples/main/step-00000006.png');

    const deps = { hub, trainer, workDir: join(root, `judge-${profile}`), heartbeat: () => undefined };
    const chosen = await createChooseCheckpoint(deps)({ context, dataset, training });
    if (chosen.record === null) throw new Error(`expected a choice, got none: ${chosen.reason}`);
    const choice = await readVerified(hub, chosen.record, CheckpointChoice);
    expect(choice.sampled.length).toBeGreaterThan(1);
    const evaluation = await createEvaluate(deps)({ context, dataset, training: chosen.training });
    const report = await readVerified(hub, evaluation.report, EvaluationReport);
    const named = MODEL_ROLES.filter((role) => config.evaluation.models[role] !== null);
    expect(report.models?.map(({ role }) => role)).toEqual(named);
    const decision = await createJudge({ hub })({ context, evaluation });
    expect(decision.reasons.join('\n')).not.toMatch(/missing|not measured/);
    expect(['PASS', 'FAIL', 'INCONCLUSIVE']).toContain(decision.verdict);
  }, 300_000);
});
