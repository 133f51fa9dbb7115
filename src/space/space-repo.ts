import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { CommitSha, RepoId, RepoRef } from '../domain/refs.ts';
import type { ReleaseEntry } from '../domain/release/provenance.ts';
import { SmokeRequests } from '../domain/release/space-trial.ts';
import type { ReleaseSample } from '../domain/release/title.ts';
import type { Hub } from '../hub/hub.ts';
import { SpaceConfig, spaceConfig } from './space-config.ts';
import type { Smoke } from './try-space.ts';

/** Folder of a release that keeps the Space's files as they were when it was released. */
export const SPACE_FOLDER = 'space';
/** Folder of a release that keeps a judged sample of each slice, for trying the Space. */
export const SMOKE_FOLDER = 'smoke';
/** Characters of a prompt that the app takes; `PROMPT_LIMIT` of space/guard.py. */
export const SPACE_PROMPT_LIMIT = 500;
const CONFIG = 'config.json';

/** The app's files as they come with this version of Plein Air, for a new release. */
export async function appTemplate(): Promise<{ path: string; content: Buffer }[]> {
  const folder = new URL('../../space/', import.meta.url);
  return Promise.all(
    ['app.py', 'guard.py', 'requirements.txt'].map(async (name) => ({
      path: `${SPACE_FOLDER}/${name}`,
      content: await readFile(new URL(name, folder)),
    })),
  );
}

/** `samples.json` of a release: its pictures in the order they are shown. */
export const ReleaseSamples = z.array(z.strictObject({ path: z.string(), prompt: z.string() }));

/** Every file of a Space that serves a release: a function of the release alone, so that going back is exact. */
export async function spaceTree(
  hub: Hub,
  release: RepoId,
  entry: ReleaseEntry,
): Promise<{ path: string; content: Buffer | string }[]> {
  const repo: RepoRef = { type: 'model', repo: release };
  const kept = await hub.list(repo, entry.commit, SPACE_FOLDER);
  const listed = await hub.read(repo, entry.commit, `${SPACE_FOLDER}/samples.json`);
  const samples: ReleaseSample[] =
    listed === null ? [] : ReleaseSamples.parse(JSON.parse(listed.toString('utf8')));
  const config = spaceConfig({ provenance: entry.provenance, commit: entry.commit, samples });
  const paths = [
    ...kept.map((f) => ({ from: f.path, to: f.path.slice(SPACE_FOLDER.length + 1) })),
    ...config.SAMPLES.map((s) => ({ from: s.image, to: s.image })),
  ].filter((p) => p.to !== 'samples.json');
  const files = await Promise.all(
    paths.map(async ({ from, to }) => ({ path: to, content: await hub.read(repo, entry.commit, from) })),
  );
  return [
    ...files.flatMap((f) => (f.content === null ? [] : [{ path: f.path, content: f.content }])),
    { path: CONFIG, content: `${JSON.stringify(config, null, 2)}\n` },
  ];
}

/** Makes a Space serve a release: one commit that also removes what the release does not know. */
export async function publishSpace(p: {
  hub: Hub;
  space: RepoId;
  release: RepoId;
  entry: ReleaseEntry;
  message: string;
  private: boolean;
  /** Called once the repository is there, before its app may start. */
  prepare?: () => Promise<void>;
  /** Called after the head was read: what it refuses is not committed. */
  beforeCommit?: () => Promise<void>;
}): Promise<CommitSha> {
  const repo: RepoRef = { type: 'space', repo: p.space };
  await p.hub.ensureRepo(repo, { private: p.private });
  await p.prepare?.();
  const files = await spaceTree(p.hub, p.release, p.entry);
  const head = await p.hub.resolve(repo, 'main');
  await p.beforeCommit?.();
  const wanted = new Set(files.map((f) => f.path));
  const present = head === null ? [] : await p.hub.list(repo, head);
  const remove = present.map((f) => f.path).filter((path) => !wanted.has(path) && path !== '.gitattributes');
  return p.hub.commit({
    repo,
    message: p.message,
    files,
    ...(head === null ? {} : { parent: head }),
    ...(remove.length === 0 ? {} : { delete: remove }),
  });
}

/** Leaves a Space without an app: what there was before anything was served. */
export async function emptySpace(
  hub: Hub,
  space: RepoId,
  message: string,
  beforeCommit: () => Promise<void>,
): Promise<CommitSha | null> {
  const repo: RepoRef = { type: 'space', repo: space };
  const head = await hub.resolve(repo, 'main');
  if (head === null) return null;
  await beforeCommit();
  const present = (await hub.list(repo, head)).map((f) => f.path).filter((path) => path !== '.gitattributes');
  return hub.commit({
    repo,
    parent: head,
    message,
    files: [{ path: 'README.md', content: EMPTY_SPACE }],
    delete: present.filter((path) => path !== 'README.md'),
  });
}

const EMPTY_SPACE = '---\nsdk: gradio\napp_file: app.py\n---\n\nNothing is served here now.\n';

/** Judged samples of a release, by which its Space is tried; one made up from its trigger where it keeps none. */
export async function readSmokes(hub: Hub, release: RepoId, entry: ReleaseEntry): Promise<Smoke[]> {
  const read = (name: string) =>
    hub.read({ type: 'model', repo: release }, entry.commit, `${SMOKE_FOLDER}/${name}`);
  const listed = await read('requests.json');
  const requests = listed === null ? [] : SmokeRequests.parse(JSON.parse(listed.toString('utf8')));
  const { dataset, evaluation } = entry.provenance.context.config;
  if (requests.length === 0) {
    const request = { id: 'made-up', prompt: `a landscape, ${dataset.trigger}`, seed: 0 };
    return [{ request: { ...request, size: evaluation.size }, judged: null }];
  }
  return Promise.all(
    requests.map(async (request) => {
      const [base, painted] = await Promise.all([
        read(`${request.id}-base.png`),
        read(`${request.id}-painted.png`),
      ]);
      return { request, judged: base === null || painted === null ? null : { base, painted } };
    }),
  );
}

/** Which release a Space's head serves; null where nothing was published or the configuration cannot be read. */
export async function servedRelease(
  hub: Hub,
  space: RepoId,
): Promise<{ repo: RepoId; revision: CommitSha; tag: string; adapterSha256: string } | null> {
  const bytes = await hub.read({ type: 'space', repo: space }, 'main', CONFIG);
  if (bytes === null) return null;
  const parsed = SpaceConfig.safeParse(JSON.parse(bytes.toString('utf8')));
  if (!parsed.success) return null;
  const c = parsed.data;
  return {
    repo: c.MODEL_REPO,
    revision: c.MODEL_REVISION,
    tag: c.MODEL_TAG,
    adapterSha256: c.ADAPTER_SHA256,
  };
}
