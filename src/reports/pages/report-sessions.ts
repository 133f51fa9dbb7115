import {
  costOf,
  describeSession,
  type GpuSession,
  isWorkerOf,
  money,
  totalCost,
} from '../../domain/gpu-source/session.ts';
import type { AttemptRecord } from '../../domain/training/ledger.ts';
import type { RunRecords } from '../records/run-records.ts';
import type { Block, Rich } from '../render/blocks.ts';
import { duration, moment } from '../render/markdown.ts';

/** What each GPU session of a run cost, all of them together, and what each interruption cost. */
export function sessionBlocks(records: RunRecords): Block[] {
  return [...sessionTable(records), ...interruptionTable(records)];
}

function sessionTable({ gpuSessions, summary }: RunRecords): Block[] {
  if (gpuSessions === null) return [];
  const { at, sessions } = gpuSessions;
  const rows = sessions.map((session): Rich[] => [
    session.name,
    `${session.source} ${session.accelerator}`,
    moment(session.openedAt),
    session.readyAt === null ? 'never' : duration((session.readyAt - session.openedAt) / 1000),
    duration(((session.closedAt ?? at) - session.openedAt) / 1000),
    money(costOf(session, at), session.price.currency),
    [describeSession(session), session.detail === '' ? '' : `: ${session.detail}`],
  ]);
  const open = sessions.filter(({ closedAt }) => closedAt === null).length;
  const { release } = summary;
  const subject = release === null ? 'This run' : `Release ${release.release.tag}`;
  const stillOpen =
    open === 0
      ? ''
      : ` ${open} of them ${open === 1 ? 'was' : 'were'} open when this was written, and cost until closed: "plein-air gpu list" shows the end.`;
  return [
    {
      kind: 'table',
      caption:
        'GPU sessions that the fleet opened for this run, from its ledger. A session that another run used as well is counted here alone.',
      head: ['session', 'source', 'opened (UTC)', 'worker after', 'open for', 'cost', 'end'],
      right: [3, 4, 5],
      rows,
    },
    {
      kind: 'paragraph',
      text: [
        { strong: `${subject} cost ${totalCost(sessions, at)} in all` },
        ` for ${sessions.length} GPU ${sessions.length === 1 ? 'session' : 'sessions'}.${stillOpen}`,
      ],
    },
  ];
}

/** An attempt that vanished and the one after it. */
export interface Interruption {
  /** Step that the vanished attempt is known to have reached. */
  step: number;
  /** Steps that were done a second time. */
  repeated: number;
  /** From the vanished attempt's last figure on the Hub to the next one's first, which is the most that it can have been; null: not known. */
  seconds: number | null;
  /** What the repeated steps and the next session's start cost; null: no session of the fleet, or a free one. */
  cost: string | null;
}

/** What each interruption of a training cost. */
export function interruptionsOf(
  p: Pick<RunRecords, 'attempts' | 'measuredAt' | 'gpuSessions'>,
): Interruption[] {
  const { attempts, measuredAt, gpuSessions } = p;
  return attempts.flatMap((attempt, index) => {
    const next = attempts[index + 1];
    if (attempt.ended !== 'preempted' || next === undefined) return [];
    const last = measuredAt[attempt.token]?.last ?? attempt.startedAt;
    const first = measuredAt[next.token]?.first;
    const repeated = Math.max(0, attempt.reached - next.resumedFrom);
    const session = sessionOf(next, gpuSessions?.sessions ?? []);
    return [
      {
        step: attempt.reached,
        repeated,
        seconds: first === undefined ? null : Math.max(0, first - last) / 1000,
        cost:
          session === undefined
            ? null
            : costOfInterruption({ session, next, vanished: last, first, repeated }),
      },
    ];
  });
}

function sessionOf(attempt: AttemptRecord, sessions: readonly GpuSession[]): GpuSession | undefined {
  return sessions.find(({ name }) => attempt.machine !== undefined && isWorkerOf(name, attempt.machine));
}

function costOfInterruption(p: {
  session: GpuSession;
  next: AttemptRecord;
  /** When the attempt before gave its last sign, and this one its first figure. */
  vanished: number;
  first: number | undefined;
  repeated: number;
}): string | null {
  const { session, next, vanished, first, repeated } = p;
  const { perHour, currency } = session.price;
  if (perHour === 0 || first === undefined) return null;
  // A session that was ready before is paid anyway until the attempt begins.
  const start = session.readyAt !== null && session.readyAt < vanished ? next.startedAt : session.openedAt;
  const steps = next.reached - next.resumedFrom;
  const again = steps > 0 ? (repeated * next.gpuSeconds) / steps : 0;
  return money((((first - start) / 1000 + again) / 3600) * perHour, currency);
}

function interruptionTable(records: RunRecords): Block[] {
  const found = interruptionsOf(records);
  if (found.length === 0) return [];
  return [
    {
      kind: 'table',
      caption:
        'Interruptions of the training: steps done again, time from the last figure on the Hub before it to the first one after it, and what the start of the next session and the repeated steps cost.',
      head: ['after step', 'steps repeated', 'time at most', 'cost'],
      right: [0, 1, 2, 3],
      rows: found.map(({ step, repeated, seconds, cost }) => [
        String(step),
        String(repeated),
        seconds === null ? 'not known' : duration(seconds),
        cost ?? 'nothing is known to be paid',
      ]),
    },
  ];
}
