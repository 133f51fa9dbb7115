import { PipelineError } from '../domain/errors.ts';
import type { CommitSha } from '../domain/refs.ts';
import type { ReleaseEntry } from '../domain/release/provenance.ts';
import type { Release } from '../domain/release/release.ts';
import type { SpaceTrial } from '../domain/release/space-trial.ts';
import { servedRelease } from '../space/space-repo.ts';
import { findRelease, PREVIOUS, PRODUCTION, releaseRepo, tagAt, verifyRelease } from './catalog.ts';
import { appendJournal, ended, type JournalEntry, readJournal, refuseSuperseded, wanted } from './journal.ts';
import type { Promotion } from './promotion.ts';
import { putBack, takenBack } from './put-back.ts';
import { serve, tryServed } from './serve.ts';

/**
 * Puts one release into production. A deployment goes: announce, Space, try it as a user would, `previous`, `production`,
 * done; a Space that fails the trial is put back before `production` moved. A rollback moves `production` first and then
 * tries the Space: what it leaves behind is known to be worse. Killed after any step, the same call ends in the same state.
 */
export async function promote(p: Promotion): Promise<Release> {
  const before = await readJournal(p.hub, p.release);
  const end = ended(before, p.id);
  if (end !== undefined) return answerAgain(p, end);
  try {
    return await goOn(p, before);
  } catch (error) {
    // Two attempts at once: what the other one came to is this one's answer, too.
    const other = ended(await readJournal(p.hub, p.release), p.id);
    if (error instanceof PipelineError && error.kind === 'Fenced' && other !== undefined)
      return answerAgain(p, other);
    throw error;
  }
}

async function answerAgain(p: Promotion, end: JournalEntry): Promise<Release> {
  if (end.state === 'undone') throw takenBack(end);
  return answer(p, await need(p, end.tag), end, true);
}

async function goOn(p: Promotion, before: JournalEntry[]): Promise<Release> {
  const { hub, release } = p;
  const started = await announce(p, before);
  const target = await need(p, started.tag);
  await verifyRelease(hub, release, target);
  p.onStep(`${started.action} ${target.tag} announced`);
  const spaceCommit =
    p.space === null ? null : await serve(p, { space: p.space, entry: target, action: p.action });
  const trial =
    p.action === 'deploy'
      ? await tryOrPutBack(p, { started, target, spaceCommit })
      : await moveAndTry(p, { started, target, spaceCommit });
  if (p.action === 'deploy') await moveBranches(p, target, started.from);
  await verifyServed(p, target);
  const done: JournalEntry = { ...started, state: 'done', spaceCommit, trial, at: p.now() };
  await appendJournal(hub, release, done);
  p.onStep(`${target.tag} is in production`);
  return answer(p, target, done, false);
}

interface Step {
  started: JournalEntry;
  target: ReleaseEntry;
  spaceCommit: CommitSha | null;
}

async function tryOrPutBack(p: Promotion, step: Step): Promise<SpaceTrial | null> {
  if (p.space === null || step.spaceCommit === null) return null;
  let trial: SpaceTrial;
  try {
    trial = await tryServed(p, { space: p.space, commit: step.spaceCommit, entry: step.target });
  } catch (error) {
    if (p.signal?.aborted !== true) throw error;
    await putBack(p, step.started, 'the run was cancelled', null);
    throw p.signal.reason;
  }
  if (trial.outcome !== 'unhealthy') return trial;
  throw takenBack(await putBack(p, step.started, trial.problem, trial));
}

async function moveAndTry(p: Promotion, step: Step): Promise<SpaceTrial | null> {
  await moveBranches(p, step.target, step.started.from);
  if (p.space === null || step.spaceCommit === null) return null;
  return tryServed(p, { space: p.space, commit: step.spaceCommit, entry: step.target });
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
    from,
    spaceCommit: null,
    by: p.by,
    reason: p.reason,
    at: p.now(),
    trial: null,
    problem: null,
    restoredInSeconds: null,
  };
  const all = await appendJournal(p.hub, p.release, entry);
  // Two attempts at once may both have chosen: the journal's first line of this id counts.
  return all.find((e) => e.id === p.id) ?? entry;
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
  if (at(PRODUCTION) === target.commit) return;
  refuseSuperseded(await readJournal(p.hub, p.release), p.id);
  await p.hub.setBranch(ref, PRODUCTION, target.commit);
  p.onStep(`production is ${target.tag}`);
  await mendIfLate(p);
}

/**
 * The Hub moves branches without compare-and-swap: a worker that slept between looking and moving may have moved one
 * under a newer operation. It looks again, and puts `production` where the newest operation wants it.
 */
async function mendIfLate(p: Promotion): Promise<void> {
  const entries = await readJournal(p.hub, p.release);
  try {
    refuseSuperseded(entries, p.id);
  } catch (error) {
    const tag = wanted(entries);
    const rightful = tag === null ? null : await findRelease(p.hub, p.release, tag);
    if (rightful !== null) await p.hub.setBranch(releaseRepo(p.release), PRODUCTION, rightful.commit);
    throw error;
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

async function answer(
  p: Promotion,
  entry: ReleaseEntry,
  done: JournalEntry,
  cached: boolean,
): Promise<Release> {
  return {
    release: {
      repo: p.release,
      tag: entry.tag,
      commit: entry.commit,
      sha256: entry.provenance.adapter.sha256,
    },
    space: p.space === null || done.spaceCommit === null ? null : { repo: p.space, commit: done.spaceCommit },
    previousTag: done.from === done.tag ? await tagAt(p.hub, p.release, PREVIOUS) : done.from,
    trial: done.trial,
    cached,
  };
}
