import { createHash } from 'node:crypto';
import { gc } from '../../src/local-hub/gc.ts';
import { startLocalHub } from '../../src/local-hub/server.ts';
import { TOKEN } from './hub-in-test.ts';

/** What a Hub shows: per repo its settings, and per ref every file and how many commits led there. */
export type Visible = Record<string, string>;

/** One change of a Hub that may be cut off anywhere. */
export interface Operation {
  /** Whether the change moves several refs, each in a step of its own. */
  readonly manyRefs?: true;
  run(root: string, ready: () => void, answered?: () => void): Promise<void>;
}

type Ask = (method: string, path: string, body?: unknown) => Promise<Response>;

const LARGE = Buffer.from('a large file, for its kind '.repeat(50_000));
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const line = (key: string, value: unknown): string => JSON.stringify({ key, value });
const header = line('header', { summary: 'one step' });
const file = (path: string, text: string): string => line('file', { path, content: text, encoding: 'utf-8' });

function asker(url: string): Ask {
  return async (method, path, body) => {
    const answer = await fetch(path.startsWith('http') ? path : `${url}${path}`, {
      method,
      headers: { Authorization: `Bearer ${TOKEN}` },
      ...(body === undefined
        ? {}
        : { body: typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body) }),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer;
  };
}

async function uploadLarge(ask: Ask, bytes: Buffer): Promise<string> {
  const oid = sha256(bytes);
  const batch = { operation: 'upload', transfers: ['basic'], objects: [{ oid, size: bytes.length }] };
  const answer = await ask('POST', '/painter/sky.git/info/lfs/objects/batch', batch);
  const { objects } = (await answer.json()) as { objects: { actions?: { upload: { href: string } } }[] };
  const href = objects[0]?.actions?.upload.href;
  if (href !== undefined) await ask('PUT', href, bytes);
  return line('lfsFile', { path: 'large.bin', algo: 'sha256', oid, size: bytes.length });
}

const commit = (ask: Ask, ...lines: string[]) =>
  ask('POST', '/api/models/painter/sky/commit/main', [header, ...lines].join('\n'));

const served =
  (change: (ask: Ask) => Promise<unknown>): Operation['run'] =>
  async (root, ready, answered) => {
    const hub = await startLocalHub({ root });
    ready();
    await change(asker(hub.url));
    answered?.();
    await hub.close();
  };

/** Every change that a Hub can make to its folder. Each may be asked again after it was cut off. */
export const OPERATIONS: Readonly<Record<string, Operation>> = {
  commit: {
    run: served(async (ask) =>
      commit(
        ask,
        file('a/one.txt', 'new'),
        file('a/two.txt', 'new'),
        await uploadLarge(ask, Buffer.concat([LARGE, LARGE])),
        line('deletedFile', { path: 'gone.txt' }),
      ).catch((error: Error) => {
        // Asked again after it had landed: what it deletes is deleted.
        if (!/404/.test(error.message)) throw error;
      }),
    ),
  },
  squash: { run: served((ask) => ask('POST', '/api/models/painter/sky/super-squash/main', {})) },
  deleteForGood: {
    manyRefs: true,
    run: served((ask) =>
      ask('POST', '/api/models/painter/sky/lfs-files/batch', { deletions: { sha: [sha256(LARGE)] } }),
    ),
  },
  tag: {
    run: served((ask) =>
      ask('POST', '/api/models/painter/sky/tag/main', { tag: 'v2' }).catch((error: Error) => {
        if (!/409/.test(error.message)) throw error;
      }),
    ),
  },
  settings: { run: served((ask) => ask('PUT', '/api/models/painter/sky/settings', { private: true })) },
  create: {
    run: served((ask) =>
      ask('POST', '/api/repos/create', { name: 'painter/fresh' }).catch((error: Error) => {
        if (!/409/.test(error.message)) throw error;
      }),
    ),
  },
  move: {
    run: served((ask) =>
      ask('POST', '/api/repos/move', { fromRepo: 'painter/side', toRepo: 'painter/moved' }).catch(
        (error: Error) => {
          if (!/404|307|409/.test(error.message)) throw error;
        },
      ),
    ),
  },
  remove: {
    run: served((ask) =>
      ask('DELETE', '/api/repos/delete', { name: 'painter/side' }).catch((error: Error) => {
        if (!/404/.test(error.message)) throw error;
      }),
    ),
  },
  gc: {
    run: async (root, ready) => {
      ready();
      await gc(root);
    },
  },
};

/** Fills a fresh folder with what the operations change: history, a large file, a tag, a second repo, orphans. */
export async function prepareFolder(root: string): Promise<void> {
  const hub = await startLocalHub({ root });
  const ask = asker(hub.url);
  await ask('POST', '/api/repos/create', { name: 'painter/sky' });
  await ask('POST', '/api/repos/create', { name: 'painter/side' });
  await commit(ask, file('a/one.txt', 'old'), file('gone.txt', 'here'), await uploadLarge(ask, LARGE));
  await commit(ask, file('a/two.txt', 'old'), file('a/one.txt', 'older'));
  await ask('POST', '/api/models/painter/sky/tag/main', { tag: 'v1' });
  await ask('POST', '/api/models/painter/sky/branch/lost', {});
  await ask('POST', '/api/models/painter/sky/commit/lost', [header, file('orphan.txt', 'orphan')].join('\n'));
  await ask('DELETE', '/api/models/painter/sky/branch/lost');
  await hub.close();
}

/** Reads everything that a Hub over this folder shows. */
export async function look(root: string): Promise<Visible> {
  const hub = await startLocalHub({ root });
  try {
    const ask = asker(hub.url);
    const json = async (path: string): Promise<unknown> => (await ask('GET', path)).json();
    const visible: Visible = {};
    for (const { id, private: hidden } of (await json('/api/models')) as { id: string; private: boolean }[]) {
      visible[id] = `private ${hidden}`;
      const refs = (await json(`/api/models/${id}/refs`)) as Record<string, { ref: string; name: string }[]>;
      for (const { ref, name } of [...(refs.branches ?? []), ...(refs.tags ?? [])]) {
        const tree = (await json(`/api/models/${id}/tree/${name}?recursive=true`)) as {
          type: string;
          path: string;
          oid: string;
        }[];
        const commits = (await json(`/api/models/${id}/commits/${name}`)) as unknown[];
        const files = tree.filter(({ type }) => type === 'file').map(({ path, oid }) => `${path} ${oid}`);
        visible[`${id} ${ref}`] = `${commits.length} commits: ${files.join(', ')}`;
      }
    }
    return visible;
  } finally {
    await hub.close();
  }
}
