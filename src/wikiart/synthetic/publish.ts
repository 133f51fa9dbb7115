import {
  createRepo,
  downloadFile,
  HubApiError,
  listCommits,
  type RepoDesignation,
  uploadFiles,
} from '@huggingface/hub';

/** A file to upload: its path in the repository, and its content or where that is. */
export interface SeedFile {
  readonly path: string;
  readonly content: Blob | URL;
}

/** What to seed and where; `files` is asked for only if the repository does not hold this fingerprint yet. */
export interface Seed {
  readonly hubUrl: string;
  readonly accessToken: string;
  readonly repo: { readonly type: 'dataset' | 'model'; readonly name: string };
  readonly fingerprint: string;
  readonly title: string;
  files(): Promise<SeedFile[]>;
}

/** The file that says which seed a repository holds. */
export const SEED_MARKER = 'seed.json';

/** Creates the repository if missing and uploads the files in one commit, unless it holds them already; returns the commit. */
export async function publishSeed(seed: Seed): Promise<{ repo: string; commit: string }> {
  const hub = { hubUrl: seed.hubUrl, accessToken: seed.accessToken, repo: seed.repo as RepoDesignation };
  await createIfMissing(hub);
  if ((await fingerprintAt(hub)) === seed.fingerprint) {
    return { repo: seed.repo.name, commit: await headOf(hub) };
  }
  const marker = new Blob([`${JSON.stringify({ fingerprint: seed.fingerprint }, null, 2)}\n`]);
  const output = await uploadFiles({
    ...hub,
    files: [...(await seed.files()), { path: SEED_MARKER, content: marker }],
    commitTitle: seed.title,
  });
  return { repo: seed.repo.name, commit: output?.commit.oid ?? (await headOf(hub)) };
}

type Hub = { hubUrl: string; accessToken: string; repo: RepoDesignation };

async function createIfMissing(hub: Hub): Promise<void> {
  try {
    await createRepo(hub);
  } catch (error) {
    if (!(error instanceof HubApiError && error.statusCode === 409)) throw error;
  }
}

async function fingerprintAt(hub: Hub): Promise<string | undefined> {
  const marker = await downloadFile({ ...hub, path: SEED_MARKER });
  if (marker === null) return undefined;
  try {
    const parsed: unknown = JSON.parse(await marker.text());
    return typeof parsed === 'object' && parsed !== null && 'fingerprint' in parsed
      ? String(parsed.fingerprint)
      : undefined;
  } catch {
    return undefined;
  }
}

async function headOf(hub: Hub): Promise<string> {
  for await (const commit of listCommits({ ...hub, batchSize: 1 })) return commit.oid;
  throw new Error(
    `Expected a commit on main, got an empty history (${hub.hubUrl}, ${JSON.stringify(hub.repo)}): delete the repository and seed again.`,
  );
}
