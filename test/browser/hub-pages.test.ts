import { existsSync } from 'node:fs';
import { createBranch, createRepo, uploadFiles } from '@huggingface/hub';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Browser, chromium, type Page } from 'playwright-core';
import { type HubInTest, startHubInTest, TOKEN } from '../local-hub/hub-in-test.ts';

const CHROMIUM = '/usr/bin/chromium';
const RUN = "window.top.document.title='taken over';alert(1);fetch('http://evil.example/')";
const IMAGE = `"><img src=x onerror="${RUN}">`;
const CARD = `---
tags: ['${IMAGE.replaceAll("'", "''")}']
pretty_name: ${JSON.stringify(IMAGE)}
widget:
  - text: ${JSON.stringify(IMAGE)}
    output:
      url: "javascript:${RUN}"
---
# Card
<script>${RUN}</script><svg onload="${RUN}"></svg><iframe srcdoc="<script>${RUN}</script>"></iframe>
<a href="javascript:${RUN}">link</a> <img src="http://evil.example/spy.png"> <img src=x onerror="${RUN}">
<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;"></table></mtext></math>
<base href="http://evil.example/"><meta http-equiv="refresh" content="0;url=http://evil.example/"><object data="x.html"></object>
[x](x "onmouseover=alert(1)") ![x](data:image/svg+xml;base64,PHN2Zy8+)
`;

(existsSync(CHROMIUM) ? describe : describe.skip)('the Hub’s pages in a real browser', () => {
  let hub: HubInTest;
  let browser: Browser;
  let page: Page;
  let dialogs = 0;
  const elsewhere: string[] = [];
  const name = `<img src=x onerror=alert(1)> ${'"'}.txt`;

  beforeAll(async () => {
    hub = await startHubInTest();
    const options = { hubUrl: hub.url, accessToken: TOKEN, repo: 'painter/hostile' };
    await createRepo(options);
    const html = `<!doctype html><title>file</title><script>${RUN}</script><body onload="${RUN}">`;
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" onload="${RUN}"><script>${RUN}</script></svg>`;
    const files: [string, string][] = [
      ['README.md', CARD],
      ['page.html', html],
      ['picture.svg', svg],
      [name, html],
    ];
    await uploadFiles({
      ...options,
      files: files.map(([path, text]) => ({ path, content: new Blob([text]) })),
      commitTitle: `title ${IMAGE}`,
      commitDescription: `</pre><script>${RUN}</script>`,
    });
    await createBranch({ ...options, branch: 'x"><script>alert(1)</script>'.replaceAll(/[\s/]/g, '') });
    browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking'],
    });
    page = await browser.newPage();
    page.on('dialog', (dialog) => {
      dialogs += 1;
      void dialog.dismiss();
    });
    // A request that the content policy stops is not sent: none to another host may get as far as here.
    page.on('response', (answer) => {
      if (!answer.url().startsWith(hub.url) && !answer.url().startsWith('data:'))
        elsewhere.push(answer.url());
    });
  }, 120_000);
  afterAll(async () => {
    await browser.close();
    await hub.stop();
  });

  it.each([
    '',
    '/tree/main',
    '/commits/main',
    `/blob/main/${encodeURIComponent(name)}`,
    '/blob/main/picture.svg',
    '/blob/main/README.md',
    '/resolve/main/page.html',
    '/resolve/main/picture.svg',
    `/resolve/main/${encodeURIComponent(name)}`,
  ])('run nothing that was uploaded: %s', async (path) => {
    await page.goto(`${hub.url}/painter/hostile${path}`, { waitUntil: 'load' });
    for (const link of await page.locator('a:has-text("link"), figure a').all())
      await link.click({ timeout: 2000 }).catch(() => undefined);
    expect(await page.title()).not.toContain('taken over');
    expect(page.url()).toContain(hub.url);
    expect([dialogs, elsewhere]).toEqual([0, []]);
  });

  it('show a commit’s words as words', async () => {
    await page.goto(`${hub.url}/painter/hostile/commits/main`);
    await page.locator('a', { hasText: 'title' }).first().click();
    expect(await page.locator('h2').textContent()).toContain('<img src=x');
    expect([dialogs, elsewhere]).toEqual([0, []]);
  });
});
