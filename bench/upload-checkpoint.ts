/**
 * Uploads a folder as a checkpoint, as the GPU worker does beside a training: one commit. Started by `checkpoint_cost.py`:
 * `node scripts/ts.mjs bench/upload-checkpoint.ts FOLDER`. The Hub is a process of its own that gives way to all others: a
 * real one runs elsewhere. Says `ready`, waits for a line, prints the seconds by the clock and of its own CPU time.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { RepoId, type RepoRef } from '../src/domain/refs.ts';
import { connectHub } from '../src/hub/client.ts';

const folder = process.argv[2];
if (folder === undefined) throw new Error('expected the folder of a checkpoint');
const root = await mkdtemp(join(tmpdir(), 'plein-air-upload-'));
const serve = ['dist/cli/main.js', 'hub', 'serve', '--json', '--port', '0', '--root', root];
const server = spawn('nice', ['-n', '19', process.execPath, ...serve], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
const lineOf = (input: NodeJS.ReadableStream) =>
  new Promise<string>((resolve) => createInterface({ input }).once('line', resolve));
try {
  const { url } = JSON.parse(await lineOf(server.stdout)) as { url: string };
  const hub = connectHub({ endpoint: url, accessToken: 'hf_local_plein_air' });
  const repo: RepoRef = { type: 'model', repo: RepoId.parse('plein-air/checkpoints') };
  await hub.ensureRepo(repo);
  const files = (await readdir(folder)).map((name) => ({
    path: `checkpoints/step-00000001/${name}`,
    content: { file: join(folder, name) },
  }));
  process.stdout.write('ready\n');
  await lineOf(process.stdin);
  const [began, cpu] = [performance.now(), process.cpuUsage()];
  await hub.commit({ repo, message: 'Checkpoint at step 1', files });
  const { user, system } = process.cpuUsage(cpu);
  process.stdout.write(`${(performance.now() - began) / 1000} ${(user + system) / 1e6}\n`);
} finally {
  server.kill();
  await rm(root, { recursive: true, force: true });
}
process.exit();
