/**
 * The local Hub's figures: `node scripts/ts.mjs bench/hub.ts [MiB] [commits] [files] [rounds]`. Serves with the built command
 * (npm run setup), as people do; beside it nginx, where it is installed, with the same client, and a plain copy.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { copyFile, mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { pipeline } from 'node:stream/promises';
import { createRepo } from '@huggingface/hub';
import { startNginx } from './nginx.ts';

const TOKEN = 'hf_local_plein_air';
const [mebibytes = 1024, commits = 1000, files = 50_000, rounds = 3] = process.argv.slice(2).map(Number);
const folder = await mkdtemp(join(tmpdir(), 'plein-air-bench-'));
const command = ['dist/cli/main.js', 'hub', 'serve', '--json', '--port', '0', '--root', join(folder, 'hub')];
const server = spawn(process.execPath, [resolve(command[0] ?? ''), ...command.slice(1)], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
const { url } = JSON.parse(
  await new Promise<string>((done) => createInterface({ input: server.stdout }).once('line', done)),
) as { url: string };
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

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

function send(href: string, source: string, size: number): Promise<void> {
  return new Promise((done, failed) => {
    const outgoing = request(href, { method: 'PUT', headers: { 'Content-Length': size } }, (answer) => {
      answer.resume().once('end', () => {
        if ((answer.statusCode ?? 500) < 300) done();
        else failed(new Error(`Expected the upload to be taken, got ${answer.statusCode}`));
      });
    });
    outgoing.once('error', failed);
    createReadStream(source, { highWaterMark: 1 << 20 }).pipe(outgoing);
  });
}

function fetchTo(href: string, target: string): Promise<void> {
  return new Promise((done, failed) => {
    request(href, (answer) => {
      pipeline(answer, createWriteStream(target)).then(done, failed);
    })
      .once('error', failed)
      .end();
  });
}

async function makeSource(source: string, round: number): Promise<string> {
  const block = Buffer.alloc(1 << 20, 7);
  const hash = createHash('sha256');
  const file = await open(source, 'w');
  for (let index = 0; index < mebibytes; index += 1) {
    block.writeUInt32LE(index * rounds + round);
    hash.update(block);
    await file.write(block);
  }
  await file.close();
  return hash.digest('hex');
}

async function uploadHref(repo: string, oid: string, size: number): Promise<string> {
  const body = JSON.stringify({ operation: 'upload', transfers: ['basic'], objects: [{ oid, size }] });
  const batch = await fetch(`${url}/${repo}.git/info/lfs/objects/batch`, { method: 'POST', headers, body });
  const { objects } = (await batch.json()) as { objects: { actions: { upload: { href: string } } }[] };
  return objects[0]?.actions.upload.href ?? '';
}

/** One large file up and down, by turns with nginx and a plain copy; the Hub verifies and flushes it, nginx does neither. */
async function largeFile(): Promise<Record<string, number | string>> {
  const repo = 'bench/large';
  await createRepo({ hubUrl: url, accessToken: TOKEN, repo });
  const nginx = await startNginx(join(folder, 'nginx'));
  const size = mebibytes * (1 << 20);
  const rates: Record<string, number[]> = {};
  const measure = async (name: string, task: () => Promise<unknown>): Promise<void> => {
    const rate = size / 1e6 / (await seconds(task));
    rates[name] = [...(rates[name] ?? []), rate];
  };
  const at = (name: string): string => join(folder, name);
  for (let round = 0; round < rounds; round += 1) {
    const oid = await makeSource(at('source'), round);
    const href = await uploadHref(repo, oid, size);
    await measure('hubUp', () => send(href, at('source'), size));
    if (nginx) await measure('nginxUp', () => send(`${nginx.url}/large.bin`, at('source'), size));
    await commit(repo, [{ key: 'lfsFile', value: { path: 'large.bin', algo: 'sha256', oid, size } }]);
    await measure('hubDown', () => fetchTo(`${url}/${repo}/resolve/main/large.bin`, at('back')));
    if (nginx) await measure('nginxDown', () => fetchTo(`${nginx.url}/large.bin`, at('back')));
    await measure('copyAndFlush', async () => {
      await copyFile(at('source'), at('copy'));
      const copied = await open(at('copy'), 'r+');
      await copied.sync();
      await copied.close();
    });
    for (const name of ['back', 'copy', join('nginx', 'files', 'large.bin')])
      await rm(at(name), { force: true });
    await rm(at(join('hub', 'blobs', 'sha256', oid.slice(0, 2), oid.slice(2))));
  }
  nginx?.stop();
  await rm(at('source'));
  const figures = Object.fromEntries(
    Object.entries(rates).map(([name, all]) => [`${name}MBs`, round(median(all))]),
  );
  const ratio = (kind: string): number | string =>
    nginx
      ? Math.round((100 * median(rates[`hub${kind}`] ?? [])) / median(rates[`nginx${kind}`] ?? [])) / 100
      : 'no nginx';
  return { ...figures, upOverNginx: ratio('Up'), downOverNginx: ratio('Down') };
}

/** Many small commits one after another: whether the last hundred cost more than the first. */
async function smallCommits(): Promise<Record<string, number>> {
  const repo = 'bench/commits';
  await createRepo({ hubUrl: url, accessToken: TOKEN, repo });
  const times: number[] = [];
  for (let index = 0; index < commits; index += 1) {
    times.push(await seconds(() => commit(repo, [small(`d${index % 20}/f${index}.txt`, String(index))])));
  }
  const total = times.reduce((sum, time) => sum + time, 0);
  return {
    commitsPerSecond: round(commits / total),
    // The first ones fill folders that the last ones find full: 100 after those, and the last 100, have the same work.
    medianMsOf100To200: round(median(times.slice(100, 200)) * 1000),
    medianMsOfLast100: round(median(times.slice(-100)) * 1000),
  };
}

/** One folder of very many files, all different: committing it, listing all its pages, changing one file of it. */
async function largeTree(): Promise<Record<string, number>> {
  const repo = 'bench/tree';
  await createRepo({ hubUrl: url, accessToken: TOKEN, repo });
  const all = Array.from({ length: files }, (_, index) =>
    small(`all/${String(index).padStart(6, '0')}.txt`, `file ${index}`),
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
