import { writeFileSync } from 'node:fs';
import { defaultPayloadConverter } from '@temporalio/common';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { RepoId } from '../../../src/domain/refs.ts';
import { ledgerTotals, TrainingLedger } from '../../../src/domain/training/ledger.ts';
import type { Trial } from '../../../src/domain/tuning/search-space.ts';
import type { StudyMove } from '../../../src/domain/tuning/study.ts';
import type { StudyResult } from '../../../src/domain/tuning/study-result.ts';
import { type Random, seeded } from '../../local-hub/random.ts';
import { MACHINES, type Machine, StudyStand } from './study-stand.ts';

/** All that must not depend on what was killed. */
export interface StudyTrace {
  /** Every answer to an ask, in order. */
  moves: Pick<StudyMove, 'next' | 'number' | 'parameters' | 'toStep'>[];
  /** Every training that came back, as `branch to step: adapter`, sorted. */
  trainings: string[];
  values: (number | null)[];
  confirmed: (number | null)[];
  chosen: number;
}

export interface DisturbedStudy {
  trace: StudyTrace;
  kills: Record<Machine, number>;
  pauses: number;
  /** Trainings whose worker vanished. */
  preemptions: number;
  /** Largest number of steps that one vanished attempt left to be done again. */
  worstRepeat: number;
  repeatedSteps: number;
  steps: number;
  events: number;
  seconds: number;
}

const KILLABLE: Machine[] = ['gpu-1', 'gpu-2', 'gpu-1', 'gpu-2', 'pipeline', 'temporal', 'hub'];

/** Runs one study on the stand; with a seed, kills a random machine every few seconds until it is done. */
export async function runStudy(
  stand: StudyStand,
  p: {
    run: string;
    tuning: object;
    /** Machines to kill, and how often in between `pause` and `resume` come from a person. */
    kills: { random: Random; everyMs: [number, number]; most: number; pauses: number } | null;
  },
  tell: (line: string) => void,
): Promise<DisturbedStudy> {
  const began = Date.now();
  const kills = Object.fromEntries(MACHINES.map((machine) => [machine, 0])) as Record<Machine, number>;
  let { client, connection } = await stand.client();
  await client.workflow.start('tune', {
    workflowId: p.run,
    taskQueue: 'pipeline',
    args: stand.study(p.run, p.tuning),
  });
  let pauses = 0;
  for (let done = 0; ; ) {
    const [low, high] = p.kills?.everyMs ?? [1000, 1000];
    const wait = low + (p.kills?.random.int(high - low) ?? 0);
    await new Promise((resolve) => setTimeout(resolve, wait));
    for (const machine of stand.revive()) tell(`${machine} had ended by itself and was started again`);
    const state = await stateOf(client, p.run);
    if (state !== null && state !== 'RUNNING') break;
    if (p.kills === null || done >= p.kills.most) continue;
    if (pauses < p.kills.pauses && (await pauseAndResume(client, p.run))) {
      pauses += 1;
      tell(`${((Date.now() - began) / 1000).toFixed(0)} s: paused and resumed`);
      continue;
    }
    const victim = p.kills.random.pick(KILLABLE);
    await stand.replace(victim);
    kills[victim] += 1;
    done += 1;
    tell(`${((Date.now() - began) / 1000).toFixed(0)} s: kill -9 ${victim}`);
    if (victim === 'temporal') {
      await connection.close();
      ({ client, connection } = await stand.client());
    }
  }
  const seconds = (Date.now() - began) / 1000;
  const result = (await client.workflow.getHandle(p.run).result()) as StudyResult;
  const { moves, trainings, events } = await readHistory(client, p.run);
  const ledgers = await readLedgers(stand, p.run);
  await connection.close();
  const totals = ledgers.map(ledgerTotals);
  return {
    trace: {
      moves,
      trainings,
      values: result.trials.map(({ value }) => value),
      confirmed: result.confirmations.map(({ value }) => value),
      chosen: result.chosen,
    },
    kills,
    pauses,
    preemptions: totals.reduce((sum, t) => sum + t.preemptions, 0),
    worstRepeat: Math.max(0, ...ledgers.flatMap(repeats)),
    repeatedSteps: totals.reduce((sum, t) => sum + t.repeatedSteps, 0),
    steps: ledgers.reduce((sum, { result: r }) => sum + (r?.step ?? 0), 0),
    events,
    seconds,
  };
}

type Client = Awaited<ReturnType<StudyStand['client']>>['client'];

async function stateOf(client: Client, run: string): Promise<string | null> {
  try {
    return (await client.workflow.getHandle(run).describe()).status.name;
  } catch {
    return null;
  }
}

/** Pauses a study, waits until no training runs any more, and lets it go on; false: it could not be told. */
async function pauseAndResume(client: Client, run: string): Promise<boolean> {
  const handle = client.workflow.getHandle(run);
  try {
    await handle.signal('pause');
    for (let i = 0; i < 600; i++) {
      const { raw } = await handle.describe();
      if (!raw.pendingActivities?.some(({ activityType }) => activityType?.name === 'train')) break;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await handle.signal('resume');
    return true;
  } catch {
    return false;
  }
}

async function readHistory(client: Client, run: string) {
  const { events } = await client.workflow.getHandle(run).fetchHistory();
  const asked = new Map<string, { type: string; input: unknown }>();
  const moves: StudyTrace['moves'] = [];
  const trainings: string[] = [];
  for (const event of events ?? []) {
    const scheduled = event.activityTaskScheduledEventAttributes;
    if (scheduled)
      asked.set(String(event.eventId), {
        type: scheduled.activityType?.name ?? '',
        input: decode(scheduled.input?.payloads?.[0]),
      });
    const completed = event.activityTaskCompletedEventAttributes;
    const of = asked.get(String(completed?.scheduledEventId));
    if (completed == null || of === undefined) continue;
    const answer = decode(completed.result?.payloads?.[0]) as Record<string, unknown>;
    const { next, number, parameters, toStep } = answer as unknown as StudyMove;
    if (of.type === 'suggest') moves.push({ next, number, parameters, toStep });
    // One that was paused comes back unfinished and is called again.
    if (of.type === 'train' && answer.outcome === 'done')
      trainings.push(`${(of.input as { branch: string }).branch} to ${answer.step}: ${answer.adapterSha256}`);
  }
  return { moves, trainings: trainings.sort(), events: events?.length ?? 0 };
}

function decode(
  payload: Parameters<typeof defaultPayloadConverter.fromPayload>[0] | null | undefined,
): unknown {
  return payload == null ? null : defaultPayloadConverter.fromPayload(payload);
}

async function readLedgers(stand: StudyStand, run: string): Promise<TrainingLedger[]> {
  const repo = RepoId.parse(`plein-air/${run}-checkpoints`);
  const branches = await stand.hub.branches({ type: 'model', repo });
  const ledgers: TrainingLedger[] = [];
  for (const { name } of branches) {
    const bytes = await stand.hub.read({ type: 'model', repo }, name, 'ledger.json');
    const ledger = bytes === null ? null : TrainingLedger.parse(JSON.parse(bytes.toString('utf8')));
    if (ledger?.branch === name) ledgers.push(ledger);
  }
  return ledgers;
}

/** Steps that each attempt did again after the one before it had vanished. */
function repeats({ attempts }: TrainingLedger): number[] {
  return attempts.map((attempt, i) => Math.max(0, (attempts[i - 1]?.reached ?? 0) - attempt.resumedFrom));
}

/** What differs between two traces, in words; empty: nothing. */
export function differences(a: StudyTrace, b: StudyTrace): string[] {
  return (Object.keys(a) as (keyof StudyTrace)[]).flatMap((field) =>
    JSON.stringify(a[field]) === JSON.stringify(b[field])
      ? []
      : [
          `${field}: ${JSON.stringify(a[field]).slice(0, 2000)} and ${JSON.stringify(b[field]).slice(0, 2000)}`,
        ],
  );
}

/** A study that starts from what another one of the same data and base has learnt: the trials that its asks know of it. */
async function warmStart(stand: StudyStand, tuning: object, tell: (line: string) => void) {
  const { trace, seconds } = await runStudy(stand, { run: 'warm', tuning, kills: null }, tell);
  const { client, connection } = await stand.client();
  const { events } = await client.workflow.getHandle('warm').fetchHistory();
  await connection.close();
  const asks = (events ?? [])
    .map(({ activityTaskScheduledEventAttributes: scheduled }) => scheduled)
    .filter((scheduled) => scheduled?.activityType?.name === 'suggest')
    .map((scheduled) => decode(scheduled?.input?.payloads?.[0]) as { earlier: Trial[] });
  tell(`warm start: ${seconds.toFixed(0)} s`);
  return { moves: trace.moves, earlier: asks.map(({ earlier }) => earlier.length), seconds };
}

/** Plays the same study undisturbed and disturbed and compares all that must be equal. */
export async function killStudy(
  p: {
    trials: number;
    kills: number;
    pauses: number;
    seed: number;
    everyMs: [number, number];
    strategy: string;
    /** Where the disturbed study's history is written to, to replay it. */
    history?: string;
  },
  tell: (line: string) => void,
) {
  const stand = await StudyStand.open();
  try {
    const tuning = {
      strategy: p.strategy,
      pruner: 'asha',
      trials: p.trials,
      steps: 18,
      parallel: 2,
      seeds: 1,
      patience: null,
      space: {
        learningRate: { kind: 'float', low: 1e-4, high: 1e-1, log: true },
        rank: { kind: 'categorical', choices: [1, 2, 4] },
        captionDropout: { kind: 'float', low: 0, high: 0.5 },
      },
    };
    const calm = await runStudy(stand, { run: 'calm', tuning, kills: null }, tell);
    tell(`undisturbed: ${calm.seconds.toFixed(0)} s, ${calm.trace.moves.length} moves`);
    const kills = { random: seeded(p.seed), everyMs: p.everyMs, most: p.kills, pauses: p.pauses };
    const wild = await runStudy(stand, { run: 'wild', tuning, kills }, tell);
    const warm = await warmStart(stand, { ...tuning, trials: 3, seeds: 0, warmStart: 'calm' }, tell);
    if (p.history !== undefined) {
      const { client, connection } = await stand.client();
      writeFileSync(p.history, historyToJSON(await client.workflow.getHandle('wild').fetchHistory()));
      await connection.close();
    }
    const twice = wild.trace.trainings.filter((line, i, all) => all[i - 1] === line);
    const problems = [
      ...differences(calm.trace, wild.trace),
      ...twice.map((line) => `trained twice: ${line}`),
      ...(wild.worstRepeat > 2
        ? [`${wild.worstRepeat} steps repeated at once, more than an interval of 2`]
        : []),
    ];
    return { calm, wild, warm, problems };
  } finally {
    await stand.close();
  }
}
