import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { HtmlValidate } from 'html-validate';
import type { Browser } from 'playwright-core';
import { createDocument, REPORT_FILE } from '../../src/activities/document/document.ts';
import { connectHub } from '../../src/hub/client.ts';
import type { Hub } from '../../src/hub/hub.ts';
import { startLocalHub } from '../../src/local-hub/server.ts';
import { failedSummary, wholeSummary } from '../activities/summary-in-test.ts';
import { axeViolations, hasChromium, overflow, startBrowser, VIEWS } from './chromium.ts';

let root: string;
let server: Awaited<ReturnType<typeof startLocalHub>>;
let hub: Hub;
let browser: Browser | null = null;
const pages: Record<string, string> = {};

const canBrowse = hasChromium('Report pages');

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'pages-'));
  server = await startLocalHub({ root: join(root, 'hub') });
  hub = connectHub({ endpoint: server.url, accessToken: 'hf_local_plein_air' });
  for (const [name, summary] of [
    ['released', await wholeSummary(hub, 'released')],
    ['failed', await failedSummary(hub, 'failed')],
  ] as const) {
    const { record } = await createDocument({ hub })({ summary });
    const html = await hub.read(
      { type: 'dataset', repo: summary.context.repos.record },
      record.commit,
      REPORT_FILE,
    );
    pages[name] = html?.toString() ?? '';
    await writeFile(join(root, `${name}.html`), pages[name]);
  }
  if (canBrowse) browser = await startBrowser();
}, 120_000);
afterAll(async () => {
  await browser?.close();
  await server.close();
  await rm(root, { recursive: true, force: true });
});

describe.each(['released', 'failed'])('the report of a run that %s', (name) => {
  it('is valid HTML', async () => {
    const validator = new HtmlValidate({ extends: ['html-validate:recommended'], rules: RULES });
    const { results } = await validator.validateString(pages[name] ?? '');
    const messages = results.flatMap((r) =>
      r.messages.map((m) => `${m.ruleId}: ${m.message} (${m.line}:${m.column})`),
    );
    expect(messages).toEqual([]);
  });

  (canBrowse ? it : it.skip).each(VIEWS)(
    'has no axe violations, loads nothing and does not scroll sideways: $name',
    async ({ colorScheme, viewport }) => {
      const context = await browser!.newContext({ colorScheme, viewport });
      const requests: string[] = [];
      context.on('request', (request) => requests.push(request.url()));
      const page = await context.newPage();
      await page.goto(pathToFileURL(join(root, `${name}.html`)).href);
      expect(await axeViolations(page)).toEqual([]);
      expect(await overflow(page)).toBe(0);
      expect(requests.filter((url) => !/^(file|data):/.test(url))).toEqual([]);
      await context.close();
    },
    60_000,
  );
});

/** Rules of taste that this project decides otherwise. */
const RULES = {
  // `<!doctype html>` in lower case is valid.
  'doctype-style': 'off',
  // SVG's own attributes and Vega's inline styles come from the plot library.
  'no-inline-style': 'off',
  'attr-quotes': 'off',
  // Every sentence fits a heading; long titles are a page's own affair.
  'long-title': 'off',
  'no-trailing-whitespace': 'off',
} as const;
