import type { Release } from '../domain/activities.ts';
import { PipelineError } from '../domain/errors.ts';
import type { CommitSha, RepoId } from '../domain/refs.ts';
import type { Hub } from '../hub/hub.ts';
import { publishSpace, servedRelease } from '../space/space-repo.ts';
import { findRelease, PREVIOUS, PRODUCTION, releaseRepo, tagAt, verifyRelease } from './catalogue.ts';
import { appendJournal, type JournalEntry, readJournal, refuseSuperseded } from './journal.ts';
import type { ReleaseEntry } from './provenance.ts';

export interface Promotion {
  hub: Hub;
  release: RepoId;
  space: RepoId | null;
  /** Same id, same operation: a second call finishes or repeats the first one's answer. */
  id: string;
  action: JournalEntry['action'];
  /** Chooses the release once; later calls of the same id keep the choice. */
  choose: (production: string | null) => Promise<string>;
  by: string;
  reason: string;
  privateSpace: boolean;
  now: () => number;
  /** Called after every step that changed something. */
  onStep: (step: string) => void;
}

/**
 * Puts one release into production: announce, Space, `previous`, `production`, done. Killed after any step, the same call
 * ends in the same state; `production` moves last, so that it never names a release whose Space is not there.
 */
export async function promote(p: Promotion): Promise<Release> {
  const { hub, release } = p;
  const before = await readJournal(hub, release);
  const done = before.find((e) => e.id === p.id && e.state === 'done');
  if (done !== undefined) return answer(p, await need(p, done.tag), done.from, done.spaceCommit, true);

  const started = await announce(p, before);
  const target = await need(p, started.tag);
  await verifyRelease(hub, release, target);
  p.onStep(`${started.action} ${target.tag} announced`);

  let spaceCommit: CommitSha | null = null;
  if (p.space !== null) {
    refuseSuperseded(await readJournal(hub, release), p.id);
    const message = `${p.action === 'deploy' ? 'Serve' : 'Roll back to'} ${target.tag}: ${p.reason}`;
    spaceCommit = await publishSpace({
      hub,
      space: p.space,
      release,
      entry: target,
      message,
      private: p.privateSpace,
    });
    p.onStep(`Space ${p.space} serves ${target.tag}`);
  }
  await moveBranches(p, target, started.from);
  await verifyServed(p, target);
  await appendJournal(hub, release, { ...started, state: 'done', spaceCommit, at: p.now() });
  p.onStep(`${target.tag} is in production`);
  return answer(p, target, started.from, spaceCommit, false);
}

async function announce(p: Promotion, before: JournalEntry[]): Promise<JournalEntry> {
  const earlier = before.find((e) => e.id === p.id);
  if (earlier !== undefined) return earlier;
  const from = await tagAt(p.hub, p.release, PRODUCTION);
  const tag = await p.choose(from);
  const entry: JournalEntry = {
    id: p.id,
    state: 'started',
    action: p.action,
    tag,
    from: from === tag ? await tagAt(p.hub, p.release, PREVIOUS) : from,
    spaceCommit: null,
    by: p.by,
    reason: p.reason,
    at: p.now(),
  };
  await appendJournal(p.hub, p.release, entry);
  return entry;
}

async function moveBranches(p: Promotion, target: ReleaseEntry, from: string | null): Promise<void> {
  const ref = releaseRepo(p.release);
  refuseSuperseded(await readJournal(p.hub, p.release), p.id);
  const branches = await p.hub.branches(ref);
  const at = (name: string) => branches.find((b) => b.name === name)?.commit ?? null;
  const left = from === null ? null : await need(p, from);
  if (left !== null && left.tag !== target.tag && at(PREVIOUS) !== left.commit) {
    await p.hub.setBranch(ref, PREVIOUS, left.commit);
    p.onStep(`previous is ${left.tag}`);
  }
  if (at(PRODUCTION) !== target.commit) {
    await p.hub.setBranch(ref, PRODUCTION, target.commit);
    p.onStep(`production is ${target.tag}`);
  }
}

/** What is served has to be what `production` names, to the byte. */
async function verifyServed(p: Promotion, target: ReleaseEntry): Promise<void> {
  const production = await p.hub.resolve(releaseRepo(p.release), PRODUCTION);
  if (production !== target.commit)
    throw new PipelineError(
      'HubUnavailable',
      `Expected production of ${p.release} at ${target.commit}, got ${production ?? 'no such branch'} after moving it`,
    );
  if (p.space === null) return;
  const served = await servedRelease(p.hub, p.space);
  if (served?.revision === target.commit && served.adapterSha256 === target.provenance.adapter.sha256) return;
  throw new PipelineError(
    'HubUnavailable',
    `Expected Space ${p.space} to serve ${target.tag} (${target.commit}), got ${served?.revision ?? 'nothing'}`,
  );
}

async function need(p: Promotion, tag: string): Promise<ReleaseEntry> {
  const entry = await findRelease(p.hub, p.release, tag);
  if (entry !== null) return entry;
  throw new PipelineError(
    'InvalidInput',
    `Expected a release ${tag} in ${p.release}, got no such tag: list them with "plein-air models list"`,
  );
}

function answer(
  p: Promotion,
  entry: ReleaseEntry,
  previousTag: string | null,
  spaceCommit: CommitSha | null,
  cached: boolean,
): Release {
  return {
    release: {
      repo: p.release,
      tag: entry.tag,
      commit: entry.commit,
      sha256: entry.provenance.adapter.sha256,
    },
    space: p.space === null || spaceCommit === null ? null : { repo: p.space, commit: spaceCommit },
    previousTag,
    cached,
  };
}
