import { PipelineError } from '../domain/errors.ts';
import type { CommitSha, RepoId } from '../domain/refs.ts';
import { DISCLOSURE, isFiltered } from '../domain/release/license.ts';
import type { ReleaseEntry } from '../domain/release/provenance.ts';
import type { SpaceTrial } from '../domain/release/space-trial.ts';
import { publishSpace, readSmokes } from '../space/space-repo.ts';
import { trySpace } from '../space/try-space.ts';
import { readJournal, refuseSuperseded } from './journal.ts';
import type { Promotion } from './promotion.ts';

/** Name of the Space's secret by which its app reads private repositories. */
const TOKEN_SECRET = 'HF_TOKEN';

/** Makes the Space serve a release: its files, its hardware, its token. */
export async function serve(
  p: Promotion,
  to: { space: RepoId; entry: ReleaseEntry; action: string },
): Promise<CommitSha> {
  const { hub, release, reason } = p;
  const { deployment } = to.entry.provenance.context.config;
  const commit = await publishSpace({
    hub,
    space: to.space,
    release,
    entry: to.entry,
    message: `${to.action === 'deploy' ? 'Serve' : 'Roll back to'} ${to.entry.tag}: ${reason}`,
    private: p.privateSpace,
    // Read the head first, the journal after it: a commit on that head cannot land over a newer operation's.
    beforeCommit: async () => refuseSuperseded(await readJournal(hub, release), p.id),
    prepare: async () => {
      await lendToken(p, to.space);
      const runtime = await hub.spaceRuntime(to.space);
      if (runtime?.hardware != null && runtime.hardware !== deployment.hardware)
        await hub.requestHardware(to.space, deployment.hardware);
    },
  });
  p.onStep(`Space ${to.space} is told to serve ${to.entry.tag}`);
  return commit;
}

/** A private release needs a token in its Space; one that may only read, never the worker's own. */
async function lendToken(p: Promotion, space: RepoId): Promise<void> {
  const runtime = await p.hub.spaceRuntime(space);
  if (!p.privateSpace || runtime?.hardware == null) return;
  if ((await p.hub.spaceSecrets(space)).includes(TOKEN_SECRET)) return;
  if (p.spaceToken === null)
    throw new PipelineError(
      'HubRefused',
      `Expected a token that may read ${p.release} for the private Space ${space}, got none: set PLEIN_AIR_SPACE_TOKEN for the pipeline worker, or the secret ${TOKEN_SECRET} in the Space's settings`,
    );
  await p.hub.setSpaceSecret(space, { key: TOKEN_SECRET, value: p.spaceToken });
}

/** Waits for the Space at a commit and asks it for the judged samples of the release it should serve. */
export async function tryServed(
  p: Promotion,
  to: { space: RepoId; commit: CommitSha; entry: ReleaseEntry },
): Promise<SpaceTrial> {
  const { provenance, commit, tag } = to.entry;
  const { deployment } = provenance.context.config;
  return trySpace({
    hub: p.hub,
    space: to.space,
    commit: to.commit,
    expected: {
      ...{ revision: commit, tag, adapterSha256: provenance.adapter.sha256 },
      ...{ filter: isFiltered(provenance.license, deployment), disclosure: DISCLOSURE },
    },
    smokes: await readSmokes(p.hub, p.release, to.entry),
    token: p.spaceToken,
    startMs: deployment.startMinutes * 60_000,
    paintMs: deployment.paintSeconds * 1000,
    onStep: p.onStep,
    signal: p.signal,
  });
}
