import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { downloadFile, listFiles } from '@huggingface/hub';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type LocalHub, startLocalHub } from '../../../src/local-hub/server.ts';
import { seedGeneratedWikiArt } from '../../../src/wikiart/synthetic/seed.ts';
import { seedTinyBase } from '../../../src/wikiart/synthetic/seed-base.ts';

const accessToken = 'hf_seeding_test';
let folder: string;
let hub: LocalHub;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'seeding-'));
  hub = await startLocalHub({
    root: join(folder, 'hub'),
    tokens: [{ token: accessToken, user: 'plein-air', role: 'write' }],
  });
});

afterAll(async () => {
  await hub.close();
  await rm(folder, { recursive: true, force: true });
});

describe('seeding', () => {
  it('puts the generated WikiArt on the Hub once, and gives the same commit the second time', async () => {
    const request = {
      hubUrl: hub.url,
      accessToken,
      repo: 'plein-air/generated',
      workDir: join(folder, 'work'),
      images: 12,
    };
    const first = await seedGeneratedWikiArt(request);
    expect(first).toEqual({ repo: 'plein-air/generated', commit: expect.stringMatching(/^[0-9a-f]{40}$/) });
    expect(await seedGeneratedWikiArt(request)).toEqual(first);
  });

  it('keeps the truth table off the Hub', async () => {
    const paths: string[] = [];
    const repo = { type: 'dataset', name: 'plein-air/generated' } as const;
    for await (const file of listFiles({ repo, recursive: true, hubUrl: hub.url, accessToken }))
      paths.push(file.path);
    expect(paths).toContain('data/train-00003-of-00004.parquet');
    expect(paths).not.toContain('truth.json');
  });

  it('uploads a base again only when one of its files changed', async () => {
    const base = join(folder, 'base');
    await mkdir(join(base, 'vae'), { recursive: true });
    await writeFile(join(base, 'model_index.json'), '{}');
    await writeFile(join(base, 'vae', 'config.json'), '{"a": 1}');
    const request = { hubUrl: hub.url, accessToken, repo: 'plein-air/base', folder: base };
    const first = await seedTinyBase(request);
    expect(await seedTinyBase(request)).toEqual(first);
    await writeFile(join(base, 'vae', 'config.json'), '{"a": 2}');
    const second = await seedTinyBase(request);
    expect(second.commit).not.toBe(first.commit);
    const repo = { type: 'model', name: 'plein-air/base' } as const;
    const config = await downloadFile({ repo, path: 'vae/config.json', hubUrl: hub.url, accessToken });
    expect(await config?.text()).toBe('{"a": 2}');
  });

  it('says what to run when the base is not there', async () => {
    const empty = join(folder, 'empty');
    await mkdir(empty);
    await expect(
      seedTinyBase({ hubUrl: hub.url, accessToken, repo: 'plein-air/none', folder: empty }),
    ).rejects.toThrow('npm run build:tiny-base');
  });
});
