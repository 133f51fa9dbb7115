import { setTimeout as sleep } from 'node:timers/promises';
import type { CommitSha, RepoId } from '../domain/refs.ts';
import { NOT_RUN, type SmokeRequest, type SpaceTrial, unhealthy } from '../domain/release/space-trial.ts';
import type { Hub } from '../hub/hub.ts';
import { isBlank, pictureDistance, sizeOf } from '../images/compare.ts';
import { connectSpaceApp, type SpaceApp } from './gradio.ts';

/** A judged sample of a release, to hold against what its Space paints. */
export interface Smoke {
  request: SmokeRequest;
  /** What the gate saw of the base and of the adapter; null: the release kept none. */
  judged: { base: Buffer; painted: Buffer } | null;
}

export interface TrialPlan {
  hub: Hub;
  space: RepoId;
  /** Head of the Space that has to run. */
  commit: CommitSha;
  expected: { revision: CommitSha; tag: string; adapterSha256: string };
  smoke: Smoke;
  /** Token that a private Space asks for; null: none. */
  token: string | null;
  startMs: number;
  paintMs: number;
  /** Called at every look at the Space. */
  onStep: (step: string) => void;
  signal?: AbortSignal | undefined;
}

const POLL_MS = 250;
const CALL_MS = 30_000;
/** A line that broke is no verdict on a Space: so often it is asked. */
const TRIES = 3;
/** Long enough for the Hub to notice that an app has ended. */
const BETWEEN_TRIES_MS = 1000;
const FAILED = new Set(['CONFIG_ERROR', 'BUILD_ERROR', 'RUNTIME_ERROR', 'NO_APP_FILE', 'DELETING']);
const ASLEEP = new Set(['STOPPED', 'PAUSED', 'SLEEPING']);

/** Waits for a Space's app and asks it what a user would ask; what it finds is an answer, never an error. */
export async function trySpace(plan: TrialPlan): Promise<SpaceTrial> {
  const started = performance.now();
  let startSeconds: number | null = null;
  for (let tried = 1; ; tried++) {
    // Again before every try: an app may have died, or gone to sleep, since it was seen to run.
    const waiting = await waitUntilRunning(plan);
    if (waiting === 'not-run') return NOT_RUN;
    if (waiting !== 'running')
      return startSeconds === null
        ? unhealthy(`it did not come up${waiting}`)
        : unhealthy(`it came up, and ended when it was asked${waiting}`, { startSeconds });
    startSeconds ??= (performance.now() - started) / 1000;
    plan.onStep(`Space ${plan.space} runs after ${startSeconds.toFixed(1)} s`);
    try {
      return await ask(plan, startSeconds);
    } catch (error) {
      plan.signal?.throwIfAborted();
      if (tried >= TRIES) return unhealthy(`it runs, but: ${wordsOf(error)}`, { startSeconds });
      plan.onStep(`Space ${plan.space} is asked again`);
      await sleep(BETWEEN_TRIES_MS, undefined, { signal: plan.signal });
    }
  }
}

/** An error's words with its cause's: that a "fetch failed" says nothing, that the connection was refused, much. */
function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message;
}

/** `running`, `not-run`, or what went wrong: the end of a sentence. */
async function waitUntilRunning(plan: TrialPlan): Promise<string> {
  const { hub, space, commit } = plan;
  const end = performance.now() + plan.startMs;
  let woken = false;
  for (let seen = ''; ; ) {
    plan.signal?.throwIfAborted();
    const runtime = await hub.spaceRuntime(space);
    if (runtime === null) return ': there is no such repository';
    const { stage, commit: at, error } = runtime;
    if (stage !== seen) plan.onStep(`Space ${space}: ${stage}`);
    seen = stage;
    if (runtime.hardware === null && ASLEEP.has(stage)) return 'not-run';
    const isOurs = at === null || at === commit;
    if (stage === 'RUNNING' && isOurs && (await hub.spaceHost(space)) !== null) return 'running';
    if (FAILED.has(stage) && isOurs) return `: ${stage}${tail(error)}`;
    if (ASLEEP.has(stage) && !woken) {
      woken = true;
      plan.onStep(`Space ${space} is woken`);
      await hub.restartSpace(space);
    }
    if (performance.now() > end) return ` within ${plan.startMs / 1000} s: still ${stage}${tail(error)}`;
    await sleep(POLL_MS, undefined, { signal: plan.signal });
    plan.onStep(`Space ${space}: ${stage}`);
  }
}

/** The last words of an app that ended: a traceback's cause is its last line. */
function tail(error: string | null): string {
  if (error === null) return '';
  const lines = error.trim().split('\n');
  return `: ${lines.length > 3 ? `${lines[0]} … ${lines.slice(-2).join(' ')}` : lines.join(' ')}`.slice(
    0,
    600,
  );
}

async function ask(plan: TrialPlan, startSeconds: number): Promise<SpaceTrial> {
  const url = await plan.hub.spaceHost(plan.space);
  if (url === null) return unhealthy('it runs, but the Hub knows no address of it', { startSeconds });
  const app = await connectSpaceApp(url, plan.token, CALL_MS);
  try {
    const served = await app.served(CALL_MS);
    for (const [what, expected, got] of [
      ['commit', plan.expected.revision, served.revision],
      ['adapter sha256', plan.expected.adapterSha256, served.adapterSha256],
      ['release', plan.expected.tag, served.tag],
    ] as const)
      if (expected !== got)
        return unhealthy(`it serves another revision: expected ${what} ${expected}, got ${got}`, {
          startSeconds,
        });
    plan.onStep(`Space ${plan.space} says it serves ${served.tag}, ${served.adapterSha256.slice(0, 12)}`);
    return await judgePaint(plan, app, startSeconds);
  } finally {
    app.close();
  }
}

async function judgePaint(plan: TrialPlan, app: SpaceApp, startSeconds: number): Promise<SpaceTrial> {
  const { request, judged } = plan.smoke;
  const started = performance.now();
  const made = await app.paint({ ...request, strength: 1 }, plan.paintMs);
  const paintSeconds = (performance.now() - started) / 1000;
  plan.onStep(`Space ${plan.space} painted in ${paintSeconds.toFixed(1)} s`);
  const known = { startSeconds, paintSeconds };
  for (const [name, picture] of Object.entries(made)) {
    const { width, height } = await sizeOf(picture);
    if (width !== request.size || height !== request.size)
      return unhealthy(
        `it painted the wrong size: expected ${request.size} × ${request.size} (${name}), got ${width} × ${height}`,
        known,
      );
    if (await isBlank(picture)) return unhealthy(`it painted a blank picture (${name})`, known);
  }
  const styleMargin =
    judged === null
      ? null
      : (await pictureDistance(made.painted, judged.base)) -
        (await pictureDistance(made.painted, judged.painted));
  if (styleMargin !== null && !(styleMargin > 0))
    return unhealthy(
      `it paints without the style: expected a picture nearer to the judged one than to the base’s, got a margin of ${styleMargin.toFixed(4)}`,
      { ...known, styleMargin },
    );
  return { outcome: 'healthy', problem: '', ...known, styleMargin };
}
