import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { chromium } from 'playwright-core';
import sharp from 'sharp';
import { judgeRule } from '../../src/domain/evaluation/gate.ts';
import { Ballot, type Vote } from '../../src/domain/evaluation/human-votes.ts';
import { RepoId, type RepoRef } from '../../src/domain/refs.ts';
import { connectHub } from '../../src/hub/client.ts';
import type { Hub } from '../../src/hub/hub.ts';
import {
  addBallot,
  humanEvidence,
  makeSheet,
  readRatings,
  writeRatingPage,
} from '../../src/releases/ratings.ts';
import { EXPECTED, reportInTest } from '../domain/report-in-test.ts';
import { type HubInTest, startHubInTest, TOKEN } from '../local-hub/hub-in-test.ts';

const CHROMIUM = '/usr/bin/chromium';
const record: RepoRef = { type: 'dataset', repo: RepoId.parse('plein-air/run-record') };
const samples = Array.from({ length: 16 }, (_, at) => ({
  ...{
    id: `s${at}`,
    promptId: `p${at >> 1}`,
    text: at === 0 ? '<img src=x onerror=alert(1)>' : `scene ${at}`,
  },
  trigger: true,
}));
const report = reportInTest();
let server: HubInTest;
let hub: Hub;
let folder: string;
beforeAll(async () => {
  server = await startHubInTest();
  hub = connectHub({ endpoint: server.url, accessToken: TOKEN });
  folder = await mkdtemp(join(tmpdir(), 'rate-'));
  await hub.ensureRepo(record);
  const plain = (shade: number) =>
    sharp({ create: { width: 16, height: 16, channels: 3, background: { r: shade, g: shade, b: shade } } })
      .png()
      .toBuffer();
  const pictures = await Promise.all(
    samples.flatMap(({ id }, at) => [
      plain(at).then((content) => ({ path: `evaluation/candidate/${id}.png`, content })),
      plain(200 + at).then((content) => ({ path: `evaluation/base/${id}.png`, content })),
    ]),
  );
  await hub.commit({
    ...{ repo: record, message: 'Evaluation' },
    files: [
      { path: 'evaluation/report.json', content: JSON.stringify(report) },
      { path: 'evaluation/samples.json', content: JSON.stringify(samples) },
      ...pictures,
    ],
  });
});
afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

const asked = { adapterSha256: report.adapterSha256, sampleSetSha256: report.samples.setSha256 };
const rule = { metric: 'human.winRate', must: 'above', threshold: 0.45 } as const;

it('keeps the pairs it drew, takes votes on them alone, and counts them for the candidate that was shown', async () => {
  const first = await makeSheet(hub, record, { most: 16, seed: 0 });
  expect(await makeSheet(hub, record, { most: 16, seed: 0 })).toEqual(first);
  const evidence = () => humanEvidence(hub, record, { ...asked, production: null, confidence: 0.95 });
  expect(await evidence()).toBeNull();
  expect(judgeRule(rule, report, 0.95).outcome).toBe('inconclusive');
  expect(judgeRule(rule, report, 0.95).sentence).toMatch(/nobody has rated pairs of it yet/);
  const votes = first.sheet.pairs.map(({ id, candidate }): Vote => {
    return { pair: id, style: candidate, prompt: candidate, quality: candidate };
  });
  const ballot = Ballot.parse({ format: 1, sheetSha256: first.sheetSha256, rater: 'Berthe', votes });
  await addBallot(hub, record, ballot);
  await addBallot(hub, record, ballot);
  expect((await readRatings(hub, record))?.ballots).toEqual([ballot]);
  const found = await evidence();
  expect(found?.opponents[0]).toMatchObject({ against: 'base', raters: ['Berthe'], selfAgreement: 1 });
  expect(judgeRule(rule, report, 0.95, found ?? undefined).outcome).toBe('pass');
  // Another adapter, other pictures, or a release that came after the page: nothing was said about that.
  expect(
    await humanEvidence(hub, record, { ...asked, adapterSha256: 'x', production: null, confidence: 0.95 }),
  ).toBeNull();
  expect(EXPECTED.adapterSha256).toBe(report.adapterSha256);
  const other = Ballot.parse({ ...ballot, sheetSha256: 'b'.repeat(64) });
  await expect(addBallot(hub, record, other)).rejects.toMatchObject({ kind: 'InvalidInput' });
});

(existsSync(CHROMIUM) ? describe : describe.skip)('the page of pairs, on a phone', () => {
  it('fits 390 pixels, is done by keyboard or thumb, tells nothing, and saves votes that are taken', async () => {
    const ratings = await makeSheet(hub, record, { most: 12, seed: 1 });
    const file = await writeRatingPage(hub, record, { ratings, style: 'My <b>style', folder });
    const html = await readFile(file, 'utf8');
    expect(html).not.toMatch(/candidate|production|"base"/);
    const browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: ['--no-sandbox', '--disable-gpu'],
    });
    try {
      const page = await browser.newPage({ viewport: { width: 390, height: 844 } });
      const problems: string[] = [];
      page.on('pageerror', (error) => problems.push(error.message));
      page.on('console', (line) => (line.type() === 'error' ? problems.push(line.text()) : undefined));
      await page.goto(pathToFileURL(file).href);
      await page.fill('#rater', 'Édouard');
      await page.keyboard.press('Enter');
      const left = page.locator('#left');
      await left.evaluate((picture) => (picture as unknown as { decode(): Promise<void> }).decode());
      const wide = await page.evaluate('document.documentElement.scrollWidth');
      expect(wide).toBeLessThanOrEqual(390);
      const thumb = await page.locator('[data-answer=same]').boundingBox();
      expect(thumb?.height).toBeGreaterThanOrEqual(44);
      expect((thumb?.y ?? 0) > 844 / 2).toBe(true);
      // The first pair by thumb, one answer taken back, the others by keyboard.
      for (let question = 0; question < 3; question += 1) await page.click('[data-answer=left]');
      await page.click('#back');
      await page.click('[data-answer=right]');
      for (let at = 1; at < ratings.sheet.pairs.length; at += 1)
        for (const key of ['ArrowLeft', 'ArrowDown', 'ArrowRight']) await page.keyboard.press(key);
      const [download] = await Promise.all([page.waitForEvent('download'), page.click('#save-all')]);
      expect(download.suggestedFilename()).toBe('votes--douard.json');
      const saved = Ballot.parse(JSON.parse(await readFile(await download.path(), 'utf8')));
      expect(saved.votes[0]).toEqual({ pair: 'p001', style: 'left', prompt: 'left', quality: 'right' });
      expect(saved.votes).toHaveLength(ratings.sheet.pairs.length);
      await addBallot(hub, record, saved);
      expect((await readRatings(hub, record))?.ballots.map(({ rater }) => rater)).toEqual(['Édouard']);
      expect(problems).toEqual([]);
    } finally {
      await browser.close();
    }
  }, 60_000);
});
