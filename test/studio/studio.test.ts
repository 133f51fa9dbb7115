import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { Client, Connection } from '@temporalio/client';
import fc from 'fast-check';
import { parseRunConfig } from '../../src/domain/config/run-config.ts';
import { connectHub } from '../../src/hub/client.ts';
import { issueLink, Links } from '../../src/studio/access/links.ts';
import { may, Role } from '../../src/studio/access/roles.ts';
import { downsample } from '../../src/studio/live/downsample.ts';
import { Feed } from '../../src/studio/live/feed.ts';
import { queryOf, RunFilter } from '../../src/studio/live/run-list.ts';
import { startStudio } from '../../src/studio/server.ts';
import { FIELDS, inputOf, TOUCHED, textAt } from '../../src/studio/start/fields.ts';

const folder = mkdtempSync(join(tmpdir(), 'studio-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('links', () => {
  it('are kept as hashes in a file of their owner alone, and end', () => {
    const file = join(folder, 'links.json');
    const token = issueLink(file, { role: 'look', days: 1, now: 0 });
    expect(readFileSync(file, 'utf8')).not.toContain(token);
    expect(statSync(file).mode & 0o077).toBe(0);
    const links = new Links(file);
    expect(links.roleOf(token, 1000)).toBe('look');
    expect(links.roleOf(token, 86_400_000)).toBeNull();
    expect(links.roleOf('x', 1000)).toBeNull();
  });

  it('that another process gives out are known at once, and the older ones stay', () => {
    const file = join(folder, 'more.json');
    const links = new Links(file);
    expect(links.roleOf('none')).toBeNull();
    const first = issueLink(file, { role: 'steer', days: 1 });
    expect(links.roleOf(first)).toBe('steer');
    const second = issueLink(file, { role: 'rate', days: 1 });
    expect([links.roleOf(first), links.roleOf(second)]).toEqual(['steer', 'rate']);
  });

  it('that only rate can neither look nor steer, and none but steering steers', () => {
    expect(['look', 'rate', 'steer'].map((right) => may('rate', right as 'look'))).toEqual([
      false,
      true,
      false,
    ]);
    expect(Role.options.filter((role) => may(role, 'steer'))).toEqual(['steer']);
  });
});

describe('the door', () => {
  const sources = {
    client: new Client({ connection: Connection.lazy({ address: '127.0.0.1:1' }) }),
    hub: connectHub({ endpoint: 'http://127.0.0.1:1', accessToken: 'hf_none', patience: { attempts: 1 } }),
    namespace: async () => 'nobody',
    ...{ logs: null, temporalUi: null },
  };
  const options = { host: '127.0.0.1', port: 0, tls: null, publicName: null };

  it('keeps out requests without a link, of other names, and posts without their origin', async () => {
    const linksFile = join(folder, 'door.json');
    const studio = await startStudio(sources, { ...options, linksFile });
    const { port } = new URL(studio.url);
    const ask = (path: string, init: RequestInit = {}) => fetch(studio.url + path, init);
    const cookie = (role: Role) => `plein-air-studio-${port}=${issueLink(linksFile, { role, days: 1 })}`;
    const post = (role: Role, origin?: string) =>
      ask('/runs/x/pause', {
        method: 'POST',
        headers: { cookie: cookie(role), ...(origin === undefined ? {} : { origin }) },
      });
    expect((await ask('/')).status).toBe(401);
    expect((await ask('/enter?token=wrong')).status).toBe(401);
    expect((await post('steer')).status).toBe(403);
    expect((await post('steer', 'http://evil.example')).status).toBe(403);
    expect((await post('look', studio.url)).status).toBe(403);
    expect((await post('rate', studio.url)).status).toBe(403);
    expect((await ask('/runs/x', { headers: { cookie: cookie('rate') } })).status).toBe(403);
    // Nothing answers behind it: the page says so and asks again, and the process lives.
    const list = await ask('/', { headers: { cookie: cookie('look') } });
    expect(await list.text()).toContain('Temporal does not answer');
    expect(list.headers.get('content-security-policy')).toContain("default-src 'none'");
    await studio.close();
  });

  it('opens beyond loopback only with TLS and a name', async () => {
    const far = { ...options, host: '0.0.0.0', linksFile: join(folder, 'far.json') };
    await expect(startStudio(sources, far)).rejects.toThrow('--tls-cert');
    const tls = { cert: 'cert.pem', key: 'key.pem' };
    await expect(startStudio(sources, { ...far, tls })).rejects.toThrow('--public-name');
  });
});

describe('a feed', () => {
  it('reads once for all who watch, and not at all for nobody', async () => {
    let reads = 0;
    const feed = new Feed(async () => {
      reads += 1;
      return reads;
    }, 20);
    const seen: number[][] = [[], [], []];
    await new Promise<void>((resolve) => {
      const leave = seen.map((own) =>
        feed.watch((value) => {
          own.push(value);
          if (seen.every((one) => one.length >= 3)) {
            for (const one of leave) one();
            resolve();
          }
        }),
      );
    });
    expect(seen[1]).toEqual(seen[0]);
    expect(reads).toBe(seen[0]?.at(-1));
    expect(feed.watchers).toBe(0);
  });
});

describe('a curve that is thinned out', () => {
  it('keeps its ends, its least and its largest value, its order, and few points', () => {
    const points = fc.array(fc.double({ noNaN: true, min: -1e6, max: 1e6 }), {
      minLength: 1,
      maxLength: 3000,
    });
    fc.assert(
      fc.property(points, (values) => {
        const all = values.map((value, step) => ({ step, value }));
        const thin = downsample(all, 100);
        const of = (list: typeof all) => list.map(({ value }) => value);
        expect(thin.length).toBeLessThanOrEqual(100);
        expect([thin[0], thin.at(-1)]).toEqual([all[0], all.at(-1)]);
        expect([Math.min(...of(thin)), Math.max(...of(thin))]).toEqual([
          Math.min(...of(all)),
          Math.max(...of(all)),
        ]);
        expect(thin.every(({ step }, i) => i === 0 || step > (thin[i - 1]?.step ?? 0))).toBe(true);
      }),
    );
  });
});

describe('the form', () => {
  const parsed = parseRunConfig({ profile: 'tiny' });
  if (!parsed.ok) throw new Error('expected defaults');
  const shown = Object.fromEntries(FIELDS.map(({ path }) => [path, textAt(parsed.value, path)]));

  it('has every field that people touch, and asks for nothing that was not touched', () => {
    expect(TOUCHED.filter((path) => !FIELDS.some((field) => field.path === path))).toEqual([]);
    expect(inputOf(shown, parsed.value)).toEqual({});
  });

  it('sends values as the schema has them, and what is none as it was typed', () => {
    const changed = {
      ...shown,
      ...{
        'training.rank': '16',
        'training.steps': 'many',
        'dataset.maxImages': '',
        'deployment.space': 'false',
      },
    };
    expect(inputOf(changed, parsed.value)).toEqual({
      training: { rank: 16, steps: 'many' },
      deployment: { space: false },
    });
  });
});

describe('the filter of the list', () => {
  it('takes nothing that could change the query', () => {
    expect(RunFilter.safeParse({ name: "x' OR '1'='1" }).success).toBe(false);
    expect(RunFilter.safeParse({ state: "'" }).success).toBe(false);
    expect(queryOf(RunFilter.parse({ verdict: 'FAIL', name: 'night-' }))).toBe(
      "WorkflowType IN ('fineTune', 'tune', 'prepare') AND PleinAirVerdict = 'FAIL' AND WorkflowId STARTS_WITH 'night-'",
    );
  });
});
