import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createRepo, uploadFile } from '@huggingface/hub';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type HubInTest, startHubInTest, TOKEN } from './hub-in-test.ts';

const PYTHON = resolve('gpu-worker/.venv/bin/python');
const SMALL_APP = (word: string): string => `
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
        self.wfile.write(("${word} " + os.environ.get("MODEL", "-") + " " + os.environ.get("KEY", "-") + " " + os.environ["SPACE_ID"]).encode())
    def log_message(self, *args): pass
print("serving ${word}", flush=True)
http.server.HTTPServer(("127.0.0.1", int(os.environ["GRADIO_SERVER_PORT"])), Handler).serve_forever()
`;

interface Runtime {
  readonly stage: string;
  readonly sha: string | null;
  readonly errorMessage?: string;
}

const space = { type: 'space' as const, name: 'painter/app' };
let hub: HubInTest;
const api = async (method: string, verb: string, body: unknown = {}): Promise<unknown> => {
  const answer = await fetch(`${hub.url}/api/spaces/painter/app${verb}`, {
    method,
    headers: { Authorization: `Bearer ${TOKEN}` },
    ...(method === 'GET' ? {} : { body: JSON.stringify(body) }),
  });
  return answer.json();
};
const runtime = async (): Promise<Runtime> => (await api('GET', '/runtime')) as Runtime;
const until = async (stage: string): Promise<Runtime> => {
  for (let state = await runtime(); ; state = await runtime()) {
    if (state.stage === stage) return state;
    await delay(100);
  }
};
const say = async (): Promise<string> => {
  const { host } = (await api('GET', '/host')) as { host: string };
  return (await fetch(host)).text();
};
const upload = async (text: string): Promise<string> => {
  const done = await uploadFile({
    hubUrl: hub.url,
    accessToken: TOKEN,
    repo: space,
    file: { path: 'app.py', content: new Blob([text]) },
  });
  return done?.commit.oid as string;
};

const describeWithPython = existsSync(PYTHON) ? describe : describe.skip;

describeWithPython('a Space that the Hub runs', () => {
  beforeAll(async () => {
    hub = await startHubInTest({ runSpaces: { python: PYTHON } });
    await createRepo({ hubUrl: hub.url, accessToken: TOKEN, repo: space, sdk: 'gradio' });
  });
  afterAll(async () => hub.stop());

  it('has no app before its first commit', async () => {
    expect((await until('NO_APP_FILE')).stage).toBe('NO_APP_FILE');
  });

  it('answers once its app runs, at the commit it says', async () => {
    const oid = await upload(SMALL_APP('first'));
    const { sha } = await until('RUNNING');
    expect(sha).toBe(oid);
    expect(await say()).toBe('first - - painter/app');
  });

  it('runs anew on a commit, with its variables and secrets', async () => {
    await api('POST', '/variables', { key: 'MODEL', value: 'painter/sky' });
    await api('POST', '/secrets', { key: 'KEY', value: 'hidden' });
    await upload(SMALL_APP('second'));
    await until('RUNNING');
    expect(await say()).toBe('second painter/sky hidden painter/app');
  });

  it('pauses and restarts', async () => {
    expect((await api('POST', '/pause')) as Runtime).toMatchObject({ stage: 'PAUSED' });
    await api('POST', '/restart');
    await until('RUNNING');
    expect(await say()).toContain('second');
  });

  it('says why its app ended', async () => {
    await upload('raise RuntimeError("no paint left")');
    const { errorMessage } = await until('RUNTIME_ERROR');
    expect(errorMessage).toContain('no paint left');
    // What an app prints may hold its secrets.
    const anonymous = await fetch(`${hub.url}/api/spaces/painter/app/runtime`);
    expect(await anonymous.json()).toMatchObject({
      errorMessage: expect.stringMatching(/^The app ended[^\n]*$/),
    });
    const listed = await (await fetch(`${hub.url}/api/spaces`)).text();
    expect(listed).not.toContain('no paint left');
  });

  it('sees that its app has ended, though what the app started holds its output', async () => {
    await upload(`import subprocess, sys
subprocess.Popen(["sleep", "600"], start_new_session=True, stdin=subprocess.DEVNULL)
raise RuntimeError("gone, and my child stays")`);
    const { errorMessage } = await until('RUNTIME_ERROR');
    expect(errorMessage).toContain('gone, and my child stays');
    await upload(SMALL_APP('after it'));
    await until('RUNNING');
  });

  const hasNamespaces =
    spawnSync('unshare', ['--user', '--map-root-user', '--mount', '--pid', '--fork', 'true']).status === 0;
  (hasNamespaces ? it : it.skip)(
    'sees neither the Hub’s files nor the environment of others, and ends with all it started',
    async () => {
      const marker = `left-behind-${Date.now()}`;
      await upload(`import os, subprocess
from http.server import BaseHTTPRequestHandler, HTTPServer
subprocess.Popen(["sleep", "600"], start_new_session=True, env={"MARK": "${marker}"})
root = ${JSON.stringify(hub.root)}
seen = [os.listdir(root + "/blobs"), os.listdir(root + "/repos"), open(root + "/signing-key").read()]
os.environ.pop("SECRET", None)
others = [p for p in os.listdir("/proc") if p.isdigit() and b"${marker}" not in open(f"/proc/{p}/environ", "rb").read() and p != "1"]
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(repr([seen, others]).encode())
    def log_message(self, *args): pass
HTTPServer(("127.0.0.1", int(os.environ["GRADIO_SERVER_PORT"])), Handler).serve_forever()`);
      await until('RUNNING');
      expect(await say()).toBe("[[[], [], ''], []]");
      await api('POST', '/pause');
      await delay(500);
      const left = readdirSync('/proc').filter((pid) => {
        try {
          return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/environ`, 'utf8').includes(marker);
        } catch {
          return false;
        }
      });
      expect(left).toEqual([]);
      await api('POST', '/restart');
    },
  );

  it('serves a real Gradio app to Gradio’s own client', async () => {
    await upload(
      'import gradio as gr\ndef predict(name):\n    return f"a painting of {name}"\ngr.Interface(predict, "text", "text").launch()\n',
    );
    await until('RUNNING');
    const { execa } = await import('execa');
    const script =
      'from gradio_client import Client; print(Client("painter/app", verbose=False).predict("fog", api_name="/predict"))';
    const { stdout } = await execa(PYTHON, ['-c', script], {
      env: { HF_ENDPOINT: hub.url, HF_TOKEN: TOKEN },
    });
    expect(stdout.trim().split('\n').at(-1)).toBe('a painting of fog');
  }, 120_000);
});

it('runs no Space unless told to', async () => {
  const quiet = await startHubInTest();
  try {
    await createRepo({ hubUrl: quiet.url, accessToken: TOKEN, repo: space, sdk: 'gradio' });
    const answer = await fetch(`${quiet.url}/api/spaces/painter/app/runtime`);
    expect(await answer.json()).toMatchObject({ stage: 'STOPPED' });
  } finally {
    await quiet.stop();
  }
});
