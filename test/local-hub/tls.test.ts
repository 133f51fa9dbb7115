import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execa } from 'execa';
import { startLocalHub } from '../../src/local-hub/server.ts';
import { type HubInTest, startHubInTest, TOKEN } from './hub-in-test.ts';
import { fetchTrusting } from './trusting-fetch.ts';

const CLI = [resolve('scripts/ts.mjs'), resolve('src/cli/main.ts')];
const PYTHON = resolve('gpu-worker/.venv/bin/python');
let hub: HubInTest;
let ca: string;

beforeAll(async () => {
  hub = await startHubInTest({ tls: 'self-signed' });
  ca = await readFile(hub.trust?.authority ?? '', 'utf8');
});
afterAll(() => hub.stop());

/** Names under which a client that trusts the authority accepts the server. */
async function accepted(port: number, servername: string): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1', servername, ca });
  try {
    await once(socket, 'secureConnect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

describe('a Hub with a certificate of its own', () => {
  it('is trusted by who trusts its authority, under every name of this machine and no other', async () => {
    expect(await accepted(hub.port, 'localhost')).toBe(true);
    expect(await accepted(hub.port, hostname())).toBe(true);
    expect(await accepted(hub.port, 'huggingface.co')).toBe(false);
    for (const host of ['127.0.0.1', 'localhost']) {
      const answer = await fetchTrusting(ca)(`https://${host}:${hub.port}/api/whoami-v2`, {
        headers: { authorization: `Bearer ${TOKEN}` },
      });
      expect(answer.status).toBe(200);
    }
  });

  it('is refused by who does not trust it, and says nothing over plain HTTP', async () => {
    await expect(fetch(`${hub.url}/api/models`)).rejects.toThrow('fetch failed');
    await expect(fetch(`http://127.0.0.1:${hub.port}/api/models`)).rejects.toThrow('fetch failed');
  });

  it('names itself with https in the addresses that it gives out', async () => {
    const answer = await fetchTrusting(ca)(`${hub.url}/api/repos/create`, {
      method: 'POST',
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'tls' }),
    });
    expect(await answer.json()).toMatchObject({ url: `${hub.url}/plein-air/tls` });
  });

  it('keeps its authority from start to start and its key for itself', async () => {
    const root = await mkdtemp(join(tmpdir(), 'hub-tls-'));
    const leaves = new Set<string>();
    const authorities = new Set<string>();
    for (let start = 0; start < 2; start += 1) {
      const one = await startLocalHub({ root, tls: 'self-signed' });
      authorities.add(await readFile(join(root, 'tls', 'ca.pem'), 'utf8'));
      const socket = connect({ port: one.port, host: '127.0.0.1', ca: [...authorities] });
      await once(socket, 'secureConnect');
      leaves.add(socket.getPeerCertificate().fingerprint256);
      socket.destroy();
      await one.close();
    }
    expect([authorities.size, leaves.size]).toEqual([1, 2]);
    expect((await stat(join(root, 'tls-authority.key'))).mode & 0o777).toBe(0o600);
    expect((await stat(join(root, 'tls', 'ca.pem'))).mode & 0o777).toBe(0o644);
    await writeFile(join(root, 'tls-authority.key'), 'damaged');
    await (await startLocalHub({ root, tls: 'self-signed' })).close();
    expect(await readFile(join(root, 'tls', 'ca.pem'), 'utf8')).not.toBe([...authorities][0]);
    await rm(root, { recursive: true, force: true });
  });

  it('signs certificates that OpenSSL verifies strictly', async () => {
    const socket = connect({ port: hub.port, host: '127.0.0.1', ca });
    await once(socket, 'secureConnect');
    const leaf = new X509Certificate(socket.getPeerCertificate().raw);
    socket.destroy();
    const file = join(hub.root, 'leaf.pem');
    await writeFile(file, leaf.toString());
    expect(leaf.subjectAltName).toContain('IP Address:0:0:0:0:0:0:0:1');
    const args = [
      'verify',
      '-x509_strict',
      '-purpose',
      'sslserver',
      '-CAfile',
      hub.trust?.authority ?? '',
      file,
    ];
    const { stdout } = await execa('openssl', args, { reject: false });
    expect(stdout).toBe(`${file}: OK`);
  });
});

describe('hub serve', () => {
  it('with --tls-self-signed is used by unmodified clients that are told of its files', async () => {
    const root = await mkdtemp(join(tmpdir(), 'hub-tls-'));
    const server = execa(
      'node',
      [...CLI, 'hub', 'serve', '--root', root, '--port', '0', '--tls-self-signed', '--json'],
      {
        reject: false,
      },
    );
    try {
      const [line] = (await once(server.stdout, 'data')) as [Buffer];
      const { url, trust } = JSON.parse(line.toString()) as {
        url: string;
        trust: { authority: string; bundle: string };
      };
      const environment = { HF_ENDPOINT: url, HF_TOKEN: TOKEN, HF_HOME: join(root, 'hf-home') };
      const asking = `fetch('${url}/api/models').then((a) => console.log(a.status))`;
      const node = await execa('node', ['-e', asking], { env: { NODE_EXTRA_CA_CERTS: trust.authority } });
      expect(node.stdout).toBe('200');
      const script = `import os
from huggingface_hub import HfApi, hf_hub_download
api = HfApi()
api.create_repo("plein-air/tls")
api.upload_file(path_or_fileobj=b"x" * 3_000_000, path_in_repo="w.safetensors", repo_id="plein-air/tls")
print(os.path.getsize(hf_hub_download("plein-air/tls", "w.safetensors")))`;
      const python = await execa(PYTHON, ['-c', script], {
        env: { ...environment, SSL_CERT_FILE: trust.bundle },
      });
      expect(python.stdout).toBe('3000000');
    } finally {
      server.kill('SIGTERM');
      await server;
      await rm(root, { recursive: true, force: true });
    }
  }, 120_000);

  it.each([
    [['--tls-cert', 'package.json'], 'Expected --tls-cert and --tls-key together, got one of them'],
    [['--tls-cert', 'none.pem', '--tls-key', 'none.pem'], 'Expected a PEM file as --tls-cert: ENOENT'],
    [['--tls-cert', 'package.json', '--tls-key', 'package.json'], 'Expected a certificate in package.json'],
    [['--tls-self-signed', '--tls-cert', 'package.json'], 'Expected --tls-self-signed or --tls-cert'],
  ])('refuses %s', async (flags, message) => {
    const root = await mkdtemp(join(tmpdir(), 'hub-tls-'));
    const { exitCode, stderr } = await execa(
      'node',
      [...CLI, 'hub', 'serve', '--root', root, '--port', '0', ...flags],
      {
        reject: false,
      },
    );
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining(message)]);
    await rm(root, { recursive: true, force: true });
  });

  it('warns where it speaks plain HTTP to other machines', async () => {
    const root = await mkdtemp(join(tmpdir(), 'hub-tls-'));
    const flags = ['--root', root, '--port', '0', '--host', '0.0.0.0', '--token', 'hf_own'];
    const server = execa('node', [...CLI, 'hub', 'serve', ...flags], { reject: false });
    const [line] = (await once(server.stderr, 'data')) as [Buffer];
    server.kill('SIGTERM');
    await server;
    await rm(root, { recursive: true, force: true });
    expect(line.toString()).toContain('Warning: 0.0.0.0 is reached from other machines');
  });
});
