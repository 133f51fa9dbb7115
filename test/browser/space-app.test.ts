import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { createDeploy } from '../../src/activities/release/deploy.ts';
import { TINY_BASE } from '../../src/config/paths.ts';
import { RepoId } from '../../src/domain/refs.ts';
import { connectHub } from '../../src/hub/client.ts';
import type { Hub } from '../../src/hub/hub.ts';
import { startLocalHub } from '../../src/local-hub/server.ts';
import { findRelease } from '../../src/releases/catalog.ts';
import { connectSpaceApp } from '../../src/space/gradio.ts';
import { publishSpace } from '../../src/space/space-repo.ts';
import { trySpace } from '../../src/space/try-space.ts';
import { seedTinyBase } from '../../src/wikiart/synthetic/seed-base.ts';
import { runInTest, sha } from '../activities/run-in-test.ts';
import { tinyAdapter } from '../activities/tiny-adapter.ts';
import { axeViolations, hasChromium, overflow, startBrowser, VIEWS } from './chromium.ts';

const TOKEN = 'hf_local_plein_air';
const PYTHON = resolve('gpu-worker/.venv/bin/python');
const described = hasChromium('Space app') && existsSync(PYTHON) ? describe : describe.skip;

described('the Space’s app in a browser, on the tiny base', () => {
  let root: string;
  let server: Awaited<ReturnType<typeof startLocalHub>>;
  let hub: Hub;
  let browser: Browser;
  let adapter: Buffer;
  let url = '';

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'space-app-'));
    server = await startLocalHub({ root: join(root, 'hub'), runSpaces: { python: PYTHON } });
    hub = connectHub({ endpoint: server.url, accessToken: TOKEN });
    await seedTinyBase({
      ...{ hubUrl: server.url, accessToken: TOKEN, repo: 'plein-air/tiny-flux', folder: TINY_BASE },
    });
    adapter = await tinyAdapter(PYTHON, root);
    url = await serve(hub, adapter);
    browser = await startBrowser();
  }, 400_000);
  afterAll(async () => {
    await browser?.close();
    await server.close();
    await rm(root, { recursive: true, force: true });
  });

  const paint = async (page: Page) => {
    await page.getByRole('button', { name: 'Paint', exact: true }).click();
    const note = page.getByText(/seed \d+ · strength/);
    await note.waitFor({ timeout: 60_000 });
    return note.textContent();
  };

  it('paints base and style side by side for a prompt and a seed, beside the standard samples', async () => {
    const page = await browser.newPage({ viewport: { width: 1280, height: 1000 } });
    const elsewhere: string[] = [];
    page.on(
      'request',
      (r) => /^(data|blob):/.test(r.url()) || r.url().startsWith(url) || elsewhere.push(r.url()),
    );
    await page.goto(url);
    await page.getByLabel('What should the picture show?').fill('a field at dusk');
    await page.getByLabel('Seed', { exact: true }).fill('7');
    expect(await paint(page)).toContain('“a field at dusk, plnr impressionism” · seed 7 · strength 1');
    for (const alt of [
      'The prompt as the base model paints it',
      'The same prompt and seed, painted with the style',
    ]) {
      const picture = page.getByAltText(alt);
      await picture.waitFor();
      expect((await picture.boundingBox())?.width).toBeGreaterThan(300);
    }
    await page.getByRole('button', { name: 'Another seed' }).click();
    const next = page.getByText(/seed (?!7 )\d+ · strength/);
    await next.waitFor({ timeout: 60_000 });
    const seed = await page.getByLabel('Seed', { exact: true }).inputValue();
    expect(await next.textContent()).toContain(`seed ${seed} ·`);
    expect(await page.locator('#samples img').count()).toBe(2);
    // The notice names what is served; nothing on the page comes from another server.
    expect(await page.locator('#notice').textContent()).toContain('Serving team/painter v1');
    expect(elsewhere).toEqual([]);
    await page.close();
  }, 120_000);

  it('gives the same pictures for the same seed, the base’s own at strength 0, and others with the style', async () => {
    const app = await connectSpaceApp(url, TOKEN, 20_000);
    try {
      const prompt = 'a river in spring, plnr impressionism';
      const first = await app.paint({ prompt, seed: 3, strength: 1 }, 60_000);
      expect(await app.paint({ prompt, seed: 3, strength: 1 }, 60_000)).toEqual(first);
      const plain = await app.paint({ prompt, seed: 3, strength: 0 }, 60_000);
      expect(plain.painted).toEqual(plain.base);
      expect(first.base).toEqual(plain.base);
      expect(first.painted).not.toEqual(first.base);
      expect((await app.paint({ prompt, seed: 4, strength: 1 }, 60_000)).painted).not.toEqual(first.painted);
      expect((await app.served(20_000)).adapterSha256).toBe(sha(adapter));
    } finally {
      app.close();
    }
  }, 120_000);

  it.each(VIEWS)(
    'can be used by everybody, with pictures painted: $name',
    async ({ name, colorScheme, viewport }) => {
      const page = await browser.newPage({ colorScheme, viewport });
      await page.goto(url);
      await paint(page);
      expect(await overflow(page)).toBe(0);
      expect(await axeViolations(page, GRADIOS_OWN)).toEqual([]);
      const folder = process.env.PLEIN_AIR_SCREENSHOTS;
      if (folder !== undefined)
        await page.screenshot({ path: join(folder, `space-${name}.png`), fullPage: true });
      await page.close();
    },
    60_000,
  );
});

/** Of its gallery: the thumbnails' names do not contain their captions, which repeat the pictures' descriptions. */
const GRADIOS_OWN = ['label-content-name-mismatch', 'image-redundant-alt'];

/** Releases an adapter and waits until the app serves it; the answer is where. */
async function serve(hub: Hub, adapter: Buffer): Promise<string> {
  const space = RepoId.parse('team/painter-space');
  const release = RepoId.parse('team/painter');
  const base = await hub.resolve({ type: 'model', repo: RepoId.parse('plein-air/tiny-flux') });
  if (base === null) throw new Error('the tiny base was not seeded');
  // Released without its Space: the fixture's judged pictures are colored squares, which no adapter paints.
  const made = await runInTest({
    ...{ hub, namespace: 'team', run: 'browser', adapter, config: { deployment: { space: false } } },
  });
  const context = { ...made.context, base: { ...made.context.base, commit: base } };
  await createDeploy({ hub })({ ...made, context });
  const entry = await findRelease(hub, release, 'v1');
  if (entry === null) throw new Error('not released');
  const commit = await publishSpace({
    ...{ hub, space, release, entry, message: 'Serve v1', private: true },
    prepare: () => hub.setSpaceSecret(space, { key: 'HF_TOKEN', value: TOKEN }),
  });
  const trial = await trySpace({
    ...{ hub, space, commit, token: TOKEN, startMs: 300_000, paintMs: 60_000 },
    expected: { revision: entry.commit, tag: 'v1', adapterSha256: sha(adapter) },
    smoke: { request: { prompt: 'a lake, plnr impressionism', seed: 1, size: 128 }, judged: null },
    onStep: () => undefined,
  });
  if (trial.outcome !== 'healthy') throw new Error(trial.problem);
  return (await hub.spaceHost(space)) ?? '';
}
