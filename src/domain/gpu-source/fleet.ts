import type { NearCap, Offer } from './money.ts';
import type { FleetAction } from './plan.ts';
import type { GpuSession } from './session.ts';

/** Workflow id of the fleet: one a namespace of Temporal. */
export const FLEET_WORKFLOW_ID = 'gpu-fleet';
/** Schedule that has sessions reaped each night, and the id of its workflows. */
export const REAPER_ID = 'gpu-reaper';
/** Queue of the fleet's activities: only workers with a file of sources poll it. */
export const FLEET_QUEUE = 'gpu-fleet';

/** What people may ask of the fleet. */
export interface FleetRequest {
  open: { source: string; accelerator: string; queue: string } | null;
  close: string[];
}

/** What the watch came back with: something to do, or a change to show. */
export interface FleetWatch {
  actions: FleetAction[];
  /** Open sessions. */
  sessions: GpuSession[];
  obstacles: string[];
  /** Limits of money that are nearly reached. */
  nearCaps: NearCap[];
  /** What closed sessions of this month cost, by run; an open one's cost is seen from itself. */
  spent: Spent[];
  /** The sources that cost money, and what a run may cost by the operator's file. */
  offers: Offer[];
  capOfRun: number | null;
}

/** Money that closed sessions cost; run null: opened by hand. */
export interface Spent {
  run: string | null;
  amount: number;
  currency: string;
}

/** Answer of the fleet's query `status`. */
export interface FleetStatus {
  /** Since when the fleet watches; null: it has not begun. */
  watchedAt: number | null;
  sessions: GpuSession[];
  /** Why waiting work gets no machine. */
  obstacles: string[];
  spent: Spent[];
  offers: Offer[];
  capOfRun: number | null;
}

/** The fleet's activities. */
export interface FleetActivities {
  /** Watches queues, sources and ledger until something is to be done, asked for or worth showing. */
  watchFleet(p: { request: FleetRequest; shown: string; told: string[] }): Promise<FleetWatch>;
  /** Writes the session into the ledger, then asks its source for it; a refusal is written, not thrown. */
  openSession(p: Extract<FleetAction, { do: 'open' }>): Promise<GpuSession>;
  /** Asks again for a session whose opening was cut off. */
  reopenSession(p: { session: GpuSession }): Promise<GpuSession>;
  markReady(p: { session: GpuSession }): Promise<GpuSession>;
  /** Closes it at its source, looks that it is gone, and writes what it cost. */
  closeSession(
    p: Pick<Extract<FleetAction, { do: 'close' }>, 'session' | 'ended' | 'why'>,
  ): Promise<GpuSession>;
  /** Compares lists, ledger and queues once, closes what nobody needs, and starts a fleet that was ended. */
  reapSessions(): Promise<Reaped>;
  /** Closes what a source lists under our names and the ledger does not know as open. */
  removeOrphan(p: { source: string; name: string }): Promise<void>;
}

/** What a reaping did, by the sessions' names. */
export interface Reaped {
  closed: { name: string; why: string }[];
  /** What could not be closed, and why. */
  failed: { name: string; why: string }[];
  /** Whether the fleet's workflow had to be started. */
  fleetStarted: boolean;
}

/** What is shown of a watch, as one text: the watch returns when it changes. */
export function shownOf({
  sessions,
  obstacles,
  nearCaps,
}: Pick<FleetWatch, 'sessions' | 'obstacles' | 'nearCaps'>): string {
  return JSON.stringify([
    sessions.map(({ name, readyAt }) => [name, readyAt]),
    obstacles.map(withoutTime),
    nearCaps.map(({ key }) => key),
  ]);
}

/** A sentence without figures that change by the minute. */
const withoutTime = (text: string) => text.replaceAll(/\d{2}:\d{2} UTC/g, '');
