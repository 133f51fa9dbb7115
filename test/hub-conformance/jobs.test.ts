import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execa } from 'execa';
import { type HubInTest, startHubInTest, TOKEN } from '../local-hub/hub-in-test.ts';

const CASES = {
  runs_and_completes: 'run, complete and keep their secrets to themselves',
  follows_a_log_while_it_grows: 'are followed by their log while they run',
  fails_and_says_so: 'fail with their exit code',
  is_cancelled: 'are cancelled',
  times_out: 'end at their time-out',
  is_found_by_label_and_stage: 'are found by label and stage',
  refuses_other_images_and_unknown_keys:
    'are refused for other images, flavors and keys that mean nothing here',
  lists_hardware_with_prices: 'know what machines cost',
  command_line: 'are run and listed by hf jobs',
};

describe('jobs of the embedded Hub, by the official client', () => {
  let hub: HubInTest;
  let home: string;
  let outcomes: Map<string, string | null>;

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'plein-air-jobs-'));
    const { PATH = '' } = process.env;
    hub = await startHubInTest({
      runJobs: { images: { 'plein-air': { cwd: home, environment: { PATH } } } },
    });
    const { stdout, stderr } = await execa(
      resolve('gpu-worker/.venv/bin/python'),
      [resolve('test/hub-conformance/jobs_client.py')],
      { env: { HF_ENDPOINT: hub.url, HF_TOKEN: TOKEN, HF_HOME: home }, reject: false },
    );
    const lines = stdout.split('\n').filter((line) => line.startsWith('{'));
    if (lines.length === 0) throw new Error(`expected outcomes, got ${stderr.slice(-2000)}`);
    outcomes = new Map(
      lines.map((line) => {
        const { case: name, error } = JSON.parse(line) as { case: string; error: string | null };
        return [name, error];
      }),
    );
  }, 180_000);
  afterAll(async () => {
    await hub.stop();
    await rm(home, { recursive: true, force: true });
  });

  it.each(Object.entries(CASES))('%s: jobs %s', (name) => {
    expect(outcomes.get(name)).toBeNull();
  });

  it('are refused where the Hub was not told to run any, and to those who may only read', async () => {
    const tokens = [{ token: 'hf_reader', user: 'critic', role: 'read' as const }];
    const plain = await startHubInTest();
    const readers = await startHubInTest({ tokens, runJobs: { images: {} } });
    const ask = async (url: string, token: string, user: string) =>
      (await fetch(`${url}/api/jobs/${user}`, { headers: { authorization: `Bearer ${token}` } })).status;
    expect(await ask(plain.url, TOKEN, 'plein-air')).toBe(403);
    expect(await ask(readers.url, 'hf_reader', 'critic')).toBe(403);
    expect((await fetch(`${hub.url}/api/jobs/plein-air`)).status).toBe(401);
    await plain.stop();
    await readers.stop();
  });

  it('end with their Hub', async () => {
    const short = await startHubInTest({
      runJobs: { images: { here: { cwd: home, environment: { PATH: process.env.PATH ?? '' } } } },
    });
    const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };
    const body = JSON.stringify({ dockerImage: 'here', command: ['sleep', '987654'] });
    const asked = await fetch(`${short.url}/api/jobs/plein-air`, { method: 'POST', headers, body });
    expect(asked.status).toBe(200);
    await short.stop();
    const { stdout } = await execa('ps', ['-A', '-o', 'args=']);
    expect(stdout).not.toContain('sleep 987654');
  });
});
