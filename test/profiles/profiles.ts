/**
 * Every profile, whole, on this machine: `npm run profiles [-- --profile t4]`. Each of t4, l4, a100 and h100 with its own
 * settings (sizes and counts scaled to a CPU) and small models of the real classes under the real ids goes through every
 * phase on the embedded servers, is killed once in training and once in evaluation, and must end right.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { descendants } from '../../src/cli/stack/descendants.ts';
import { LOCAL_TOKEN } from '../../src/cli/stack/stack.ts';
import type { Profile } from '../../src/domain/config/profiles.ts';
import { parseRunConfig } from '../../src/domain/config/run-config.ts';
import { CHOICE_FILE, CheckpointChoice } from '../../src/domain/evaluation/checkpoint-ranking.ts';
import { EvaluationReport } from '../../src/domain/evaluation/report.ts';
import { type RepoId, RunName } from '../../src/domain/refs.ts';
import { runRepos } from '../../src/domain/run/repositories.ts';
import type { RunResult, RunStatus } from '../../src/domain/run/run-result.ts';
import { seedGeneratedWikiArt } from '../../src/wikiart/synthetic/seed.ts';
import { Topology } from '../chaos/topology.ts';
import { seedRealLayout } from './real-layout.ts';
import { ownSettings, REAL_PROFILES, scaledProfile } from './scaled.ts';

const { values } = parseArgs({
  options: { profile: { type: 'string', multiple: true }, json: { type: 'boolean', default: false } },
});
const wanted = REAL_PROFILES.filter((profile) => values.profile?.includes(profile) ?? true);
const began = performance.now();
const say = (line: string) =>
  void process.stderr.write(`${((performance.now() - began) / 1000).toFixed(0).padStart(5)} s  ${line}\n`);

/** What a run showed. */
interface Outcome {
  profile: Profile;
  settings: string;
  verdict: string | null;
  release: string | null;
  kills: string[];
  judges: number;
  sampled: number;
  seconds: number;
  faults: string[];
}

/** Enough steps that there is time to be killed in. */
const CHANGE = {
  training: { steps: 24, checkpointEvery: 4, heldOutEvery: 4, sampleEvery: 8, keepCheckpoints: 6 },
  gate: { allowOverride: true },
  deployment: { space: false },
};

async function wholeRun(topology: Topology, profile: Profile): Promise<Outcome> {
  const started = performance.now();
  const run = RunName.parse(`whole-${profile}`);
  const config = scaledProfile(profile, { ...CHANGE, run, model: run });
  const faults: string[] = [];
  const whole = parseRunConfig({ profile });
  if (!whole.ok || JSON.stringify(ownSettings(config)) !== JSON.stringify(ownSettings(whole.value)))
    faults.push('the harness changed a setting of the profile');
  const handle = await topology.client.workflow.start('fineTune', {
    ...{ taskQueue: 'pipeline', workflowId: run, args: [config] },
  });
  const over = handle.result().then(
    (result) => result as RunResult,
    (error: Error) => describe(error),
  );
  const kills = await disturb(topology, run, config.model, over);
  const result = await over;
  if (typeof result === 'string') faults.push(result);
  const repos = runRepos('plein-air', run, config.model);
  const record = { type: 'dataset', repo: repos.record } as const;
  const read = async (path: string) =>
    JSON.parse((await topology.hub.read(record, 'main', path))?.toString('utf8') ?? 'null');
  const report = EvaluationReport.safeParse(await read('evaluation/report.json')).data;
  const choice = CheckpointChoice.safeParse(await read(CHOICE_FILE)).data;
  const strips = await topology.hub.list(record, 'main', 'samples/main');
  if (strips.length !== 3) faults.push(`expected 3 validation images on the Hub, got ${strips.length}`);
  if ((choice?.sampled.length ?? 0) < 2) faults.push('no checkpoint was chosen');
  if (kills.length !== 2) faults.push(`expected 2 kills, got ${kills.join(', ') || 'none'}`);
  if (typeof result !== 'string') {
    const open = result.phases.filter(({ name, status }) => status !== 'done' && name !== 'tune');
    for (const { name, status } of open) faults.push(`phase ${name} is ${status}`);
    if (result.release === null) faults.push('nothing was released');
    if ((result.training?.preemptions ?? 0) < 1) faults.push('the kill in training was not noticed');
  }
  const { precision, quantization, optimizer } = config.training;
  return {
    profile,
    settings: `${precision}, ${quantization}, ${optimizer}, batch ${config.training.batchSize} × ${config.training.accumulation}, ${config.evaluation.encoder}`,
    verdict: typeof result === 'string' ? null : result.verdict,
    release: typeof result === 'string' ? null : (result.release?.release.tag ?? null),
    kills,
    judges: report?.models?.length ?? 0,
    sampled: choice?.sampled.length ?? 0,
    seconds: Math.round((performance.now() - started) / 1000),
    faults,
  };
}

/** Kills the trainer once in training and once in evaluation, and says yes where a person is asked. */
async function disturb(
  topology: Topology,
  run: RunName,
  model: string,
  over: Promise<unknown>,
): Promise<string[]> {
  const handle = topology.client.workflow.getHandle(run);
  const checkpoints = { type: 'model', repo: runRepos('plein-air', run, model).checkpoints } as const;
  const kills: string[] = [];
  let ended = false;
  let approved = false;
  void over.finally(() => {
    ended = true;
  });
  while (!ended) {
    const status = (await handle.query('status').catch(() => null)) as RunStatus | null;
    const doing = status?.gpu?.waitingForGpuSince === null ? status.gpu.activity : null;
    const saved = doing === 'train' && kills.length === 0 ? await countOf(topology, checkpoints) : 0;
    if (saved > 0 && (await killTrainer(topology))) kills.push('training');
    if (doing === 'evaluate' && kills.length === 1 && (await killTrainer(topology))) kills.push('evaluation');
    if (status?.state === 'waiting-for-approval' && !approved) {
      await handle.signal('approve', { by: 'the harness', reason: 'deployment is to be seen, too' });
      approved = true;
    }
    await Promise.race([over, sleep(50)]);
  }
  return kills;
}

async function countOf(topology: Topology, repo: { type: 'model'; repo: RepoId }): Promise<number> {
  return (await topology.hub.list(repo, 'main', 'checkpoints').catch(() => [])).length;
}

/** SIGKILL to the GPU worker's Python; whether there was one. */
async function killTrainer(topology: Topology): Promise<boolean> {
  const worker = topology.pid('gpu-1');
  const trainers = worker === null ? [] : descendants(worker);
  for (const pid of trainers) process.kill(pid, 'SIGKILL');
  return trainers.length > 0;
}

function describe(error: Error): string {
  const words: string[] = [];
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) words.push(cause.message);
  return words.join(': ');
}

function table(outcomes: readonly Outcome[]): string {
  const rows = outcomes.map((one) => {
    const end = one.faults.length === 0 ? 'right' : one.faults.join('; ');
    const ways = [one.profile, one.settings, one.judges, one.sampled, one.kills.join(' and ')];
    return `| ${[...ways, one.verdict, one.release, one.seconds, end].join(' | ')} |`;
  });
  return [
    '| profile | its own settings | judges | checkpoints compared | killed in | verdict | released | seconds | ended |',
    '|---|---|---|---|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}

const root = await mkdtemp(join(tmpdir(), 'plein-air-profiles-'));
const topology = await Topology.start({ root, gpuWorkers: 1, pipelineWorkers: 1, stepMs: null });
for (const name of ['SIGINT', 'SIGTERM'] as const)
  process.once(name, () => void topology.stop().finally(() => process.exit(130)));
try {
  say('the stack is up');
  await seedRealLayout(topology.hub, join(root, 'repos'));
  await seedGeneratedWikiArt({
    hubUrl: `http://127.0.0.1:${topology.ports.hub}`,
    ...{ accessToken: LOCAL_TOKEN, repo: 'huggan/wikiart', workDir: root, images: 260 },
  });
  say('base, judges and paintings are on the Hub');
  const outcomes: Outcome[] = [];
  for (const profile of wanted) {
    const outcome = await wholeRun(topology, profile);
    outcomes.push(outcome);
    say(`${profile}: ${outcome.verdict}, ${outcome.seconds} s ${outcome.faults.join('; ')}`);
  }
  process.stdout.write(values.json ? `${JSON.stringify(outcomes, null, 1)}\n` : `${table(outcomes)}\n`);
  if (outcomes.some(({ faults }) => faults.length > 0)) {
    process.exitCode = 1;
    process.stderr.write(`${topology.log('gpu-1').split('\n').slice(-40).join('\n')}\n`);
  }
} finally {
  await topology.stop();
  await rm(root, { recursive: true, force: true });
}
