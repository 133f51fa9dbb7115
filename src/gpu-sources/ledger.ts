import { z } from 'zod';
import { GpuSession, monthOf } from '../domain/gpu-source/session.ts';
import { RepoId, type RepoRef } from '../domain/refs.ts';
import { HubConflict } from '../hub/errors.ts';
import type { Hub } from '../hub/hub.ts';

const LedgerFile = z.strictObject({ format: z.literal(1), sessions: z.array(GpuSession) });

/** Tries of a change that another writer came before. */
const MAX_TRIES = 20;

/** The sessions of a fleet, a file a month of opening, in a private dataset repository: what was opened, why, and what it cost. */
export interface Ledger {
  /** Sessions of this month and the one before, oldest first. */
  recent(now: number): Promise<GpuSession[]>;
  /** Adds a session unless one of its name is there; returns what is in the ledger. */
  add(session: GpuSession): Promise<GpuSession>;
  /** Changes one session unless it is closed; one that is not there is an error of the caller. */
  change(session: Pick<GpuSession, 'name' | 'openedAt'>, change: Partial<GpuSession>): Promise<GpuSession>;
}

/** Name of the ledger's repository in a namespace. */
export function ledgerRepo(namespace: string): RepoRef {
  return { type: 'dataset', repo: RepoId.parse(`${namespace}/gpu-sessions`) };
}

/** The ledger over a Hub; every change is a compare-and-swap on the head. */
export function createLedger(hub: Hub, repo: RepoRef, fleet: string): Ledger {
  const pathOf = (time: number) => `sessions/${fleet}/${monthOf(time)}.json`;
  const read = async (revision: string | null, path: string): Promise<GpuSession[]> => {
    const bytes = revision === null ? null : await hub.read(repo, revision, path);
    return bytes === null ? [] : LedgerFile.parse(JSON.parse(bytes.toString('utf8'))).sessions;
  };
  const monthBefore = (now: number) => {
    const date = new Date(now);
    return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() - 1, 1);
  };
  const update = async (
    time: number,
    change: (
      sessions: GpuSession[],
    ) => { sessions: GpuSession[]; result: GpuSession; message: string } | GpuSession,
  ): Promise<GpuSession> => {
    const path = pathOf(time);
    for (let tries = 1; ; tries++) {
      await hub.ensureRepo(repo, { private: true });
      const head = await hub.resolve(repo);
      const changed = change(await read(head, path));
      if (!('sessions' in changed)) return changed;
      const content = `${JSON.stringify({ format: 1, sessions: changed.sessions }, null, 1)}\n`;
      try {
        await hub.commit({
          repo,
          ...(head === null ? {} : { parent: head }),
          message: changed.message,
          files: [{ path, content }],
        });
        return changed.result;
      } catch (error) {
        if (!(error instanceof HubConflict) || tries >= MAX_TRIES) throw error;
      }
    }
  };
  return {
    async recent(now) {
      const head = await hub.resolve(repo);
      return [...(await read(head, pathOf(monthBefore(now)))), ...(await read(head, pathOf(now)))];
    },
    add: (session) =>
      update(session.openedAt, (sessions) => {
        const found = sessions.find(({ name }) => name === session.name);
        if (found !== undefined) return found;
        return { sessions: [...sessions, session], result: session, message: `Open ${session.name}` };
      }),
    change: ({ name, openedAt }, change) =>
      update(openedAt, (sessions) => {
        const index = sessions.findIndex((session) => session.name === name);
        const before = sessions[index];
        if (before === undefined) throw new Error(`expected session ${name} in the ledger, got none`);
        // How it ended was written by whoever came first, fleet or reaper.
        if (before.closedAt !== null) return before;
        const after = { ...before, ...change };
        return {
          sessions: sessions.with(index, after),
          result: after,
          message: `${name}: ${Object.keys(change).join(', ')}`,
        };
      }),
  };
}
