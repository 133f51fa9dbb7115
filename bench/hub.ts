/** The local Hub's figures: `node scripts/ts.mjs bench/hub.ts [MiB] [commits] [files]`. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, openAsBlob } from 'node:fs';
import { copyFile, mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createRepo } from '@huggingface/hub';

const TOKEN = 'hf_local_plein_air';
const [mebibytes = 1024, commits = 1000, files = 50_000] = process.argv.slice(2).map(Number);
const folder = await mkdtemp(join(tmpdir(), 'plein-air-bench-'));
const server = spawn(
  process.execPath,
  [resolve('scripts/ts.mjs'), resolve('test/local-hub/serve.ts'), join(folder, 'hub')],
  {
    stdio: ['ignore', 'pipe', 'inherit'],
  },
);
const url = await new Promise<string>((done) => createInterface({ input: server.stdout }).once('line', done));
const headers = { Authorization: `Bearer ${TOKEN}` };
const seconds = async (task: () => Promise<unknown>): Promise<number> => {
  const start = performance.now();
  await task();
  return (performance.now() - start) / 1000;
};
const round = (value: number): number => Math.round(value * 10) / 10;
/** Peak resident memory of the server so far, in MB. */
const peakMemory = async (): Promise<number> =>
  Number(/VmHWM:\s+(\d+)/.exec(await readFile(`/proc/${server.pid}/status`, 'utf8'))?.[1]) / 1000;
const commit = async (repo: string, operations: unknown[]): Promise<void> => {
  const lines = [{ key: 'header', value: { summary: 'bench' } }, ...operations].map((line) =>
    JSON.stringify(line),
  );
  const answer = await fetch(`${url}/api/models/${repo}/commit/main`, {
    method: 'POST',
    headers,
    body: lines.join('\n'),
  });
  if (!answer.ok) throw new Error(`Expected a commit, got ${answer.status}: ${await answer.text()}`);
  await answer.arrayBuffer();
};
const small = (path: string, text: string) => ({
  key: 'file',
  value: { path, content: Buffer.from(text).toString('base64'), encoding: 'base64' },
});

/** One large file: hashed, sent in one PUT, fetched back; beside them a plain copy with fsync. */
async function largeFile(): Promise<Record<string, number>> {
  const repo = 'bench/large';
  await createRepo({ hubUrl: url, accessToken: TOKEN, repo });
  const source = join(folder, 'source.bin');
  const block = Buffer.alloc(1 << 20, 7);
  const file = await open(source, 'w');
  for (let index = 0; index < mebibytes; index += 1) {
    block.writeUInt32LE(index);
    await file.write(block);
  }
  await file.close();
  const size = mebibytes * (1 << 20);
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(source)) hash.update(chunk as Buffer);
  const oid = hash.digest('hex');
  const body = JSON.stringify({ operation: 'upload', transfers: ['basic'], objects: [{ oid, size }] });
  const batch = await fetch(`${url}/${repo}.git/info/lfs/objects/batch`, { method: 'POST', headers, body });
  const { objects } = (await batch.json()) as { objects: { actions: { upload: { href: string } } }[] };
  const href = objects[0]?.actions.upload.href ?? '';
  const up = await seconds(async () =>
    (await fetch(href, { method: 'PUT', body: await openAsBlob(source) })).arrayBuffer(),
  );
  await commit(repo, [{ key: 'lfsFile', value: { path: 'large.bin', algo: 'sha256', oid, size } }]);
  const down = await seconds(async () => {
    const answer = await fetch(`${url}/${repo}/resolve/main/large.bin`);
    await pipeline(Readable.fromWeb(answer.body as never), createWriteStream(join(folder, 'back.bin')));
  });
  const copy = await seconds(async () => {
    await copyFile(source, join(folder, 'copy.bin'));
    const copied = await open(join(folder, 'copy.bin'), 'r+');
    await copied.sync();
    await copied.close();
  });
  const rate = (time: number): number => round(size / 1e6 / time);
  return {
    upMBs: rate(up),
    downMBs: rate(down),
    copyMBs: rate(copy),
    serverPeakMB: round(await peakMemory()),
  };
}

/** Many small commits one after another: whether the last hundred cost more than the first. */
async function smallCommits(): Promise<Record<string, number>> {
  const repo = 'bench/commits';
  await createRepo({ hubUrl: url, accessToken: TOKEN, repo });
  const times: number[] = [];
  for (let index = 0; index < commits; index += 1) {
    times.push(await seconds(() => commit(repo, [small(`d${index % 20}/f${index}.txt`, String(index))])));
  }
  const mean = (part: number[]): number =>
    round((part.reduce((sum, time) => sum + time, 0) / part.length) * 1000);
  const total = times.reduce((sum, time) => sum + time, 0);
  return {
    commitsPerSecond: round(commits / total),
    firstHundredMs: mean(times.slice(0, 100)),
    lastHundredMs: mean(times.slice(-100)),
  };
}

/** One folder of very many files: committing it, listing all its pages, changing one file of it. */
async function largeTree(): Promise<Record<string, number>> {
  const repo = 'bench/tree';
  await createRepo({ hubUrl: url, accessToken: TOKEN, repo });
  const all = Array.from({ length: files }, (_, index) =>
    small(`all/${String(index).padStart(6, '0')}.txt`, String(index % 100)),
  );
  const made = await seconds(() => commit(repo, all));
  let listed = 0;
  const list = await seconds(async () => {
    for (let next: string | undefined = `${url}/api/models/${repo}/tree/main/all`; next !== undefined; ) {
      const answer: Response = await fetch(next);
      listed += ((await answer.json()) as unknown[]).length;
      next = /<([^>]+)>/.exec(answer.headers.get('link') ?? '')?.[1];
    }
  });
  const one = await seconds(() => commit(repo, [small('all/000777.txt', 'changed')]));
  return { listed, commitAllSeconds: round(made), listSeconds: round(list), changeOneMs: round(one * 1000) };
}

try {
  for (const [name, measure] of Object.entries({ largeFile, smallCommits, largeTree })) {
    console.log(JSON.stringify({ [name]: await measure(), serverPeakMB: round(await peakMemory()) }));
  }
} finally {
  server.kill();
  await rm(folder, { recursive: true, force: true });
}
