import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { commit, createRepo } from '@huggingface/hub';
import { fsck } from '../../../src/local-hub/fsck.ts';
import { gc } from '../../../src/local-hub/gc.ts';
import { TOKEN } from '../../local-hub/hub-in-test.ts';
import { type Random, seeded } from '../../local-hub/random.ts';

const REPO = 'painter/chaos';

/** What a loop of kills saw. */
export interface KillReport {
  readonly kills: number;
  /** Commits that the Hub confirmed. */
  readonly confirmed: number;
  /** Requests that a kill cut off. */
  readonly cutOff: number;
  /** Of them those that were no commits, by kind. */
  readonly cutOffActs: Record<string, number>;
  readonly collections: number;
  readonly problems: string[];
}

interface Writer {
  readonly id: number;
  attempted: number;
  confirmed: number;
}

/** Large files of a writer's n-th commit: their bytes follow from both numbers. */
function weightsOf(id: number, n: number): Buffer {
  return seeded(id * 100_003 + n).bytes(10_000 + ((n * 7919) % 15) * 100_000);
}

async function startServer(root: string): Promise<{ url: string; child: ChildProcess }> {
  const child = spawn(
    process.execPath,
    [resolve('scripts/ts.mjs'), resolve('test/local-hub/serve.ts'), root],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const url = await new Promise<string>((done, failed) => {
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).once('line', done);
    child.once('exit', (code) => failed(new Error(`Expected the Hub to start, it ended with ${code}`)));
  });
  return { url, child };
}

async function kill(child: ChildProcess): Promise<void> {
  const ended = new Promise((done) => child.once('exit', done));
  child.kill('SIGKILL');
  await ended;
}

/** Commits a counter and a large file together, again and again, until a request is cut off. */
async function write(url: string, writer: Writer): Promise<number> {
  for (;;) {
    const n = writer.attempted + 1;
    writer.attempted = n;
    const counter = {
      operation: 'addOrUpdate' as const,
      path: `w${writer.id}/counter.txt`,
      content: new Blob([String(n)]),
    };
    const weights = {
      operation: 'addOrUpdate' as const,
      path: `w${writer.id}/weights.bin`,
      content: new Blob([new Uint8Array(weightsOf(writer.id, n))]),
    };
    try {
      await commit({
        hubUrl: url,
        accessToken: TOKEN,
        repo: REPO,
        title: `w${writer.id} ${n}`,
        operations: [counter, weights],
      });
      writer.confirmed = n;
    } catch {
      return 1;
    }
  }
}

/** Moves refs, squashes history, deletes large files for good, creates, moves and deletes repos, until it is cut off. */
async function govern(url: string, random: Random, cutOff: Record<string, number>): Promise<number> {
  const headers = { Authorization: `Bearer ${TOKEN}`, 'Content-Type': 'application/json' };
  const ask = (method: string, path: string, body: unknown) =>
    fetch(`${url}${path}`, { method, headers, body: JSON.stringify(body) });
  const read = (path: string) => fetch(`${url}${path}`, { headers });
  const model = `/api/models/${REPO}`;
  const side = () => `painter/side-${random.int(5)}`;
  const acts: Record<string, () => Promise<Response>> = {
    tag: () => ask('POST', `${model}/tag/main`, { tag: `t${random.int(5)}` }),
    untag: () => ask('DELETE', `${model}/tag/t${random.int(5)}`, {}),
    squash: () => ask('POST', `${model}/super-squash/main`, {}),
    branch: () =>
      ask('POST', `${model}/branch/b${random.int(5)}`, { startingPoint: 'main', overwrite: true }),
    squashBranch: () => ask('POST', `${model}/super-squash/b${random.int(5)}`, {}),
    settings: () => ask('PUT', `${model}/settings`, { private: random.int(2) === 0 }),
    create: () => ask('POST', '/api/repos/create', { name: side() }),
    remove: () => ask('DELETE', '/api/repos/delete', { name: side() }),
    move: () => ask('POST', '/api/repos/move', { fromRepo: side(), toRepo: side() }),
    deleteForGood: async () => {
      // Never the newest ones: their commits may be on their way.
      const files = (await (await read(`${model}/lfs-files`)).json()) as { oid: string }[];
      const oldest = files.slice(0, -6)[0];
      const named = (await (await read(`${model}?blobs=1`)).json()) as {
        siblings: { lfs?: { sha256: string } }[];
      };
      // Only what main does not name any more: what a writer was told has landed must stay.
      const sha = named.siblings.some(({ lfs }) => lfs?.sha256 === oldest?.oid) ? [] : [oldest?.oid];
      return ask('POST', `${model}/lfs-files/batch`, { deletions: { sha, rewriteHistory: true } });
    },
  };
  for (;;) {
    const name = random.pick(Object.keys(acts));
    try {
      await (await acts[name]?.())?.arrayBuffer();
    } catch {
      cutOff[name] = (cutOff[name] ?? 0) + 1;
      return 1;
    }
  }
}

/** What was confirmed must be there, whole: the counter and the large file of one and the same commit. */
async function checkWriter(url: string, writer: Writer): Promise<string[]> {
  const read = async (path: string): Promise<Buffer | undefined> => {
    const answer = await fetch(`${url}/${REPO}/resolve/main/${path}`, {
      headers: { Authorization: `Bearer ${TOKEN}` },
    });
    return answer.ok ? Buffer.from(await answer.arrayBuffer()) : undefined;
  };
  const text = await read(`w${writer.id}/counter.txt`);
  const n = Number(text?.toString() ?? 0);
  const problems: string[] = [];
  if (n < writer.confirmed || n > writer.attempted) {
    problems.push(`writer ${writer.id}: expected from ${writer.confirmed} to ${writer.attempted}, got ${n}`);
  }
  if (n > 0 && !(await read(`w${writer.id}/weights.bin`))?.equals(weightsOf(writer.id, n))) {
    problems.push(`writer ${writer.id}: the large file is not that of commit ${n}`);
  }
  return problems;
}

/** Kills a Hub under load again and again; after each kill verifies every byte, and every fifth time collects garbage. */
export async function killLoop(
  kills: number,
  seed: number,
  progress?: (kill: number) => void,
): Promise<KillReport> {
  const root = await mkdtemp(join(tmpdir(), 'plein-air-kill-'));
  const random = seeded(seed);
  const writers: Writer[] = [0, 1, 2].map((id) => ({ id, attempted: 0, confirmed: 0 }));
  const problems: string[] = [];
  let cutOff = 0;
  const cutOffActs: Record<string, number> = {};
  let collections = 0;
  try {
    for (let killed = 0; killed <= kills; killed += 1) {
      const { url, child } = await startServer(root);
      if (killed === 0) await createRepo({ hubUrl: url, accessToken: TOKEN, repo: REPO });
      for (const writer of writers) problems.push(...(await checkWriter(url, writer)));
      const work = [...writers.map((writer) => write(url, writer)), govern(url, random, cutOffActs)];
      await delay(5 + random.int(500));
      await kill(child);
      cutOff += (await Promise.all(work)).reduce((sum, one) => sum + one, 0);
      problems.push(...(await fsck(root)).problems);
      if (killed % 5 === 4) {
        await gc(root);
        collections += 1;
        problems.push(...(await fsck(root)).problems);
        const left = await readdir(join(root, 'tmp'));
        if (left.length > 0) problems.push(`gc left ${left.length} unfinished files`);
      }
      progress?.(killed);
      if (problems.length > 0) break;
    }
    const confirmed = writers.reduce((sum, writer) => sum + writer.confirmed, 0);
    return { kills, confirmed, cutOff, cutOffActs, collections, problems };
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}
