import { setTimeout as sleep } from 'node:timers/promises';
import type { CommitSha, RepoId } from '../domain/refs.ts';
import {
  FARTHEST,
  NOT_RUN,
  type SmokeRequest,
  type SpaceTrial,
  unhealthy,
} from '../domain/release/space-trial.ts';
import type { Hub } from '../hub/hub.ts';
import { isBlank, pictureDistance, sizeOf, textsOf } from '../images/compare.ts';
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
  /** What it must say of itself; a filter that it must have; what each of its pictures must say in its metadata. */
  expected: {
    revision: CommitSha;
    tag: string;
    adapterSha256: string;
    filter: boolean;
    disclosure: string;
  };
  /** At least one. */
  smokes: readonly Smoke[];
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
    if (plan.expected.filter && !served.filter)
      return unhealthy('it runs without the content filter that its release asks for', { startSeconds });
    plan.onStep(`Space ${plan.space} says it serves ${served.tag}, ${served.adapterSha256.slice(0, 12)}`);
    return await judgePaints(plan, app, startSeconds);
  } finally {
    app.close();
  }
}

/** Asks for one sample after another; the first one that is unwell ends it. */
async function judgePaints(plan: TrialPlan, app: SpaceApp, startSeconds: number): Promise<SpaceTrial> {
  let worst: SpaceTrial | null = null;
  for (const smoke of plan.smokes) {
    const trial = await judgePaint(plan, app, smoke, startSeconds);
    if (trial.outcome !== 'healthy') return trial;
    worst = worst === null ? trial : worseOf(worst, trial);
  }
  return worst ?? unhealthy('there was nothing to ask it for', { startSeconds });
}

function worseOf(a: SpaceTrial, b: SpaceTrial): SpaceTrial {
  return {
    ...a,
    paintSeconds: extreme(Math.max, a.paintSeconds, b.paintSeconds),
    styleMargin: extreme(Math.min, a.styleMargin, b.styleMargin),
    distance: extreme(Math.max, a.distance, b.distance),
  };
}

function extreme(choose: (...values: number[]) => number, ...values: (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : choose(...known);
}

async function judgePaint(
  plan: TrialPlan,
  app: SpaceApp,
  { request, judged }: Smoke,
  startSeconds: number,
): Promise<SpaceTrial> {
  const started = performance.now();
  const { prompt, seed, size } = request;
  const made = await app.paint({ prompt, seed, strength: 1 }, plan.paintMs);
  const paintSeconds = (performance.now() - started) / 1000;
  plan.onStep(`Space ${plan.space} painted ${request.id} in ${paintSeconds.toFixed(1)} s`);
  const known = { startSeconds, paintSeconds };
  for (const [name, picture] of Object.entries(made)) {
    const { width, height } = await sizeOf(picture);
    if (width !== size || height !== size)
      return unhealthy(
        `it painted the wrong size: expected ${size} × ${size} (${name}), got ${width} × ${height}`,
        known,
      );
    if (!(await textsOf(picture)).includes(plan.expected.disclosure))
      return unhealthy(
        `it painted a picture (${name}) that does not say how it was made: expected "${plan.expected.disclosure}" in its PNG text, got none`,
        known,
      );
    if (await isBlank(picture)) return unhealthy(`it painted a blank picture (${name})`, known);
  }
  if (judged === null)
    return { outcome: 'healthy', problem: '', ...known, styleMargin: null, distance: null };
  return besideJudged(request.id, made, judged, known);
}

/** Holds both pictures against what the gate judged of the same prompt and seed. */
async function besideJudged(
  id: string,
  made: { base: Buffer; painted: Buffer },
  judged: { base: Buffer; painted: Buffer },
  known: { startSeconds: number; paintSeconds: number },
): Promise<SpaceTrial> {
  const [toStyle, toBase, ofBase] = await Promise.all([
    pictureDistance(made.painted, judged.painted),
    pictureDistance(made.painted, judged.base),
    pictureDistance(made.base, judged.base),
  ]);
  const figures = { ...known, styleMargin: toBase - toStyle, distance: Math.max(toStyle, ofBase) };
  if (!(figures.styleMargin > 0))
    return unhealthy(
      `it paints ${id} without the style: expected a picture nearer to the judged one than to the base’s, got a margin of ${figures.styleMargin.toFixed(4)}`,
      figures,
    );
  if (!(figures.distance <= FARTHEST))
    return unhealthy(
      `it paints another picture for ${id} than the gate judged: expected one at most ${FARTHEST} away, got ${figures.distance.toFixed(3)} (${toStyle > ofBase ? 'with the style' : 'the base alone'})`,
      figures,
    );
  return { outcome: 'healthy', problem: '', ...figures };
}
