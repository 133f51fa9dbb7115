import { setTimeout as sleep } from 'node:timers/promises';
import { LOCAL_TOKEN } from '../../../src/cli/stack/stack.ts';
import { RepoId } from '../../../src/domain/refs.ts';
import type { RunResult } from '../../../src/domain/run/run-result.ts';
import { seedGeneratedWikiArt } from '../../../src/wikiart/synthetic/seed.ts';
import type { Topology } from './topology.ts';

/** Puts a small generated WikiArt and a base in name only on the Hub: the simulated trainer loads none. */
export async function seedSmall(topology: Topology): Promise<void> {
  const { hub, hubUrl, root } = topology;
  const base = { type: 'model', repo: RepoId.parse('plein-air/simulated-base') } as const;
  await hub.ensureRepo(base);
  if ((await hub.resolve(base)) === null || (await hub.list(base, 'main', '')).length < 2)
    await hub.commit({
      repo: base,
      message: 'A base in name only',
      files: [
        { path: 'model_index.json', content: '{}' },
        { path: 'README.md', content: '---\nlicense: apache-2.0\n---\n' },
      ],
    });
  await seedGeneratedWikiArt({
    hubUrl,
    accessToken: LOCAL_TOKEN,
    repo: 'plein-air/generated-wikiart',
    workDir: root,
    images: 260,
  });
}

/** Input of a small run: every phase, a model of its own, equal training. */
export function smallRun(run: string, change: { steps?: number; model?: string; approval?: boolean } = {}) {
  const steps = change.steps ?? 300;
  return {
    run,
    model: change.model ?? run,
    base: { repo: 'plein-air/simulated-base' },
    dataset: { resolution: 64, minShortSide: 64, minTrainingImages: 8, maxImages: 24, neighborsPerStyle: 2 },
    training: { steps, checkpointEvery: 25, heldOutEvery: 1000, warmupSteps: 1 },
    tuning: { strategy: 'fixed', steps: Math.min(40, steps) },
    evaluation: { size: 64, seedsPerPrompt: 1, inferenceSteps: 1 },
    gate: { requireApproval: change.approval ?? false },
    deployment: { space: false },
    budget: { attemptsWithoutProgress: 1000 },
  };
}

/** Starts a run; tried again while the server is away. */
export async function startRun(topology: Topology, input: { run: string }): Promise<void> {
  await persistently(async () => {
    await topology.client.workflow
      .start('fineTune', { taskQueue: 'pipeline', workflowId: input.run, args: [input] })
      .catch((error: unknown) => {
        if (!(error instanceof Error && error.name === 'WorkflowExecutionAlreadyStartedError')) throw error;
      });
  });
}

/** Calls until it works, for a minute: servers come and go here. */
export async function persistently<T>(work: () => Promise<T>, seconds = 90): Promise<T> {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (Date.now() > end) throw error;
      await sleep(500);
    }
  }
}

/** How a run ended, or that it has not. */
export async function endOf(topology: Topology, run: string): Promise<string> {
  return persistently(async () => (await topology.client.workflow.getHandle(run).describe()).status.name);
}

/** Result of a run that completed. */
export function resultOf(topology: Topology, run: string): Promise<RunResult> {
  return persistently(() => topology.client.workflow.getHandle(run).result() as Promise<RunResult>);
}

/** Waits until a run stands as wanted. */
export async function until(what: string, seconds: number, test: () => Promise<boolean>): Promise<number> {
  const started = performance.now();
  while (!(await test().catch(() => false))) {
    if (performance.now() - started > seconds * 1000) throw new Error(`expected ${what} within ${seconds} s`);
    await sleep(25);
  }
  return (performance.now() - started) / 1000;
}

/** What a failure says, its causes included; empty while a run goes on. */
async function whyOf(topology: Topology, run: string, execution: string): Promise<string> {
  if (execution === 'RUNNING') return '';
  const words: string[] = [];
  let error: unknown = await topology.client.workflow
    .getHandle(run)
    .result()
    .catch((caught: unknown) => caught);
  for (; error instanceof Error; error = error.cause) words.push(error.message);
  return `: ${words.join(': ')}`;
}

/** What is wrong about a run that has ended: nothing, where it ended right, lost nothing and was released once. */
export async function faultsOf(
  topology: Topology,
  run: string,
  adapterSha256: string | null,
): Promise<string[]> {
  const execution = await endOf(topology, run);
  if (execution !== 'COMPLETED')
    return [`${run} ended as ${execution}${await whyOf(topology, run, execution)}`];
  const result = await resultOf(topology, run);
  const faults: string[] = [];
  if (result.verdict !== 'PASS') faults.push(`${run}: verdict ${result.verdict}`);
  const sha256 = result.training?.adapterSha256;
  if (adapterSha256 !== null && sha256 !== adapterSha256)
    faults.push(`${run}: another adapter than undisturbed`);
  const release = result.release?.release;
  if (release === undefined) return [...faults, `${run}: nothing was released`];
  const tags = await persistently(() => topology.hub.tags({ type: 'model', repo: release.repo }));
  const names = tags.map((tag) => tag.name).filter((name) => /^v\d+$/.test(name));
  if (names.length !== 1) faults.push(`${run}: released ${names.length} times (${names.join(', ')})`);
  return faults;
}
