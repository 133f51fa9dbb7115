import { execFileSync, spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';

/** A web server over a folder that takes PUT and GET, to measure beside. */
export interface Peer {
  readonly url: string;
  stop(): void;
}

function freePort(): Promise<number> {
  return new Promise((done) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => done(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

/** Starts nginx (Debian: nginx-light) over a fresh folder; undefined where it is not installed. */
export async function startNginx(folder: string): Promise<Peer | undefined> {
  const file = ['nginx', '/usr/sbin/nginx'].find((name) => {
    try {
      execFileSync(name, ['-v'], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  });
  if (file === undefined) return undefined;
  const port = await freePort();
  const files = join(folder, 'files');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${folder}/${kind};`)
    .join('\n');
  await mkdir(files, { recursive: true });
  await writeFile(
    join(folder, 'nginx.conf'),
    `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;
events {}
http {
access_log off; sendfile on; client_max_body_size 0;
${temporary}
server { listen 127.0.0.1:${port}; root ${files}; location / { dav_methods PUT; } }
}
`,
  );
  const child = spawn(file, ['-p', folder, '-c', join(folder, 'nginx.conf')], { stdio: 'inherit' });
  const url = `http://127.0.0.1:${port}`;
  for (let tries = 0; tries < 100; tries += 1) {
    if (await fetch(url).catch(() => undefined)) return { url, stop: () => child.kill() };
    await new Promise((done) => setTimeout(done, 50));
  }
  child.kill();
  throw new Error(`Expected nginx to answer at ${url}: see ${folder}/error.log`);
}
