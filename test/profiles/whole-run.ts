import { setTimeout as sleep } from 'node:timers/promises';
import type { Profile } from '../../src/domain/config/profiles.ts';
import { parseRunConfig, type RunConfig } from '../../src/domain/config/run-config.ts';
import { CHOICE_FILE, CheckpointChoice } from '../../src/domain/evaluation/checkpoint-ranking.ts';
import { EvaluationReport } from '../../src/domain/evaluation/report.ts';
import { RunName } from '../../src/domain/refs.ts';
import { runRepos } from '../../src/domain/run/repositories.ts';
import type { RunResult, RunStatus } from '../../src/domain/run/run-result.ts';
import { TrainingLedger } from '../../src/domain/training/ledger.ts';
import type { Topology } from '../chaos/lib/topology.ts';
import { ownSettings, scaledProfile } from './scaled.ts';

/** What a run showed. */
export interface Outcome {
  profile: Profile;
  settings: string;
  kills: string[];
  resumedFrom: number[];
  validationImages: number;
  sampled: number;
  judges: number;
  verdict: string | null;
  release: string | null;
  space: string | null;
  seconds: number;
  faults: string[];
}

const LANDMARKS = { steps: 24, checkpointEvery: 4, heldOutEvery: 4, sampleEvery: 8, keepCheckpoints: 6 };
const CHANGE = {
  // Enough steps to be killed in; a rate at which all checkpoints are near the least loss, so that several are judged.
  training: { ...LANDMARKS, learningRate: 1e-12 },
  // Random models pass no gate: a person says yes, so that deployment is seen, too.
  gate: { allowOverride: true },
  deployment: { licenseSignOff: 'A Person' },
};

/** One profile's own run from nothing to a Space that serves it, its machine killed in training and in evaluation. */
export async function wholeRun(topology: Topology, profile: Profile): Promise<Outcome> {
  const started = performance.now();
  const run = RunName.parse(`whole-${profile}`);
  const config = scaledProfile(profile, { ...CHANGE, run, model: run });
  const handle = await topology.client.workflow.start('fineTune', {
    ...{ taskQueue: 'pipeline', workflowId: run, args: [config] },
  });
  const over = handle.result().then((result) => result as RunResult, describe);
  const kills = await disturb(topology, run, config, over);
  const result = await over;
  const seen = await recorded(topology, run, config);
  const { precision, quantization, optimizer, batchSize, accumulation } = config.training;
  const size = `batch ${batchSize} × ${accumulation}`;
  const served = config.evaluation.deployedPrecision;
  const outcome = {
    ...{ profile, kills, ...seen },
    settings: `${precision}, ${quantization}, ${optimizer}, ${size}, ${config.evaluation.encoder}, served in ${served}`,
    verdict: typeof result === 'string' ? null : result.verdict,
    release: typeof result === 'string' ? null : (result.release?.release.tag ?? null),
    space: typeof result === 'string' ? null : (result.release?.space?.commit?.slice(0, 8) ?? null),
    seconds: Math.round((performance.now() - started) / 1000),
  };
  return { ...outcome, faults: [...settingsKept(profile, config), ...faultsOf(outcome, result)] };
}

/** What the Hub holds of a run. */
async function recorded(topology: Topology, run: RunName, { model }: RunConfig) {
  const repos = runRepos('plein-air', run, model);
  const record = { type: 'dataset', repo: repos.record } as const;
  const read = async (path: string) =>
    JSON.parse(String((await topology.hub.read(record, 'main', path).catch(() => null)) ?? null));
  const checkpoints = { type: 'model', repo: repos.checkpoints } as const;
  const ledger = await topology.hub.read(checkpoints, 'main', 'ledger.json').catch(() => null);
  const attempts = TrainingLedger.safeParse(JSON.parse(String(ledger))).data?.attempts ?? [];
  const images = await topology.hub.list(record, 'main', 'samples/main').catch(() => []);
  return {
    resumedFrom: attempts.slice(1).map((attempt) => attempt.resumedFrom ?? 0),
    validationImages: images.length,
    sampled: CheckpointChoice.safeParse(await read(CHOICE_FILE)).data?.sampled.length ?? 0,
    judges: EvaluationReport.safeParse(await read('evaluation/report.json')).data?.models?.length ?? 0,
  };
}

function settingsKept(profile: Profile, config: RunConfig): string[] {
  const whole = parseRunConfig({ profile });
  const same = whole.ok && JSON.stringify(ownSettings(config)) === JSON.stringify(ownSettings(whole.value));
  return same ? [] : ['the harness changed a setting of the profile'];
}

function faultsOf(outcome: Omit<Outcome, 'faults'>, result: RunResult | string): string[] {
  const faults: string[] = [];
  const images = LANDMARKS.steps / LANDMARKS.sampleEvery;
  if (outcome.validationImages !== images)
    faults.push(`expected ${images} validation images on the Hub, got ${outcome.validationImages}`);
  if (outcome.sampled < 2) faults.push('no checkpoint was chosen');
  if (outcome.kills.length !== 2) faults.push(`expected 2 kills, got ${outcome.kills.join(', ') || 'none'}`);
  if (!outcome.resumedFrom.some((step) => step > 0)) faults.push('training resumed from no checkpoint');
  if (typeof result === 'string') return [...faults, result];
  for (const { name, status } of result.phases)
    if (status !== 'done' && status !== 'cached' && name !== 'tune')
      faults.push(`phase ${name} is ${status}`);
  if (outcome.verdict === null) faults.push('there is no verdict');
  if (outcome.release === null) faults.push('nothing was released');
  if (outcome.space === null) faults.push('no Space serves it');
  if ((result.training?.preemptions ?? 0) < 1) faults.push('the kill in training was not noticed');
  return faults;
}

/** Kills the run's machine once in training and once in evaluation, and says yes where a person is asked. */
async function disturb(
  topology: Topology,
  run: RunName,
  { model }: RunConfig,
  over: Promise<unknown>,
): Promise<string[]> {
  const handle = topology.client.workflow.getHandle(run);
  const checkpoints = { type: 'model', repo: runRepos('plein-air', run, model).checkpoints } as const;
  const isSaved = async () =>
    (await topology.hub.list(checkpoints, 'main', 'checkpoints').catch(() => [])).length > 0;
  const kills: string[] = [];
  let ended = false;
  let approved = false;
  void over.finally(() => {
    ended = true;
  });
  while (!ended) {
    const status = (await handle.query('status').catch(() => null)) as RunStatus | null;
    const gpu = status?.gpu ?? null;
    const part = gpu?.waitingForGpuSince === null ? partOf(topology, gpu.worker) : null;
    if (gpu !== null && part !== null) {
      const inTraining = kills.length === 0 && gpu.activity === 'train' && (await isSaved());
      const inEvaluation = kills.length === 1 && gpu.activity === 'evaluate' && gpu.stage !== 'starting';
      if (inTraining || inEvaluation) {
        await topology.kill(part);
        kills.push(inTraining ? 'training' : `evaluation (${gpu.stage})`);
        await topology.bring(part);
      }
    }
    if (status?.state === 'waiting-for-approval' && !approved) {
      await handle.signal('approve', { by: 'the harness', reason: 'deployment is to be seen, too' });
      approved = true;
    }
    await Promise.race([over, sleep(100)]);
  }
  return kills;
}

/** The running GPU worker of that name; null: it has gone. */
function partOf(topology: Topology, worker: string | null): string | null {
  return topology.names('gpu').find((name) => topology.identity(name) === worker) ?? null;
}

function describe(error: Error): string {
  const words: string[] = [];
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) words.push(cause.message);
  return words.join(': ');
}
