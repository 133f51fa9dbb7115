import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { type Browser, chromium, type Page } from 'playwright-core';

/** Where Debian puts it; `apt-get install chromium`. */
export const CHROMIUM = '/usr/bin/chromium';

const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync'];

/** Whether browser tests can run; says openly that they do not. */
export function hasChromium(what: string): boolean {
  if (existsSync(CHROMIUM)) return true;
  process.stderr.write(`${what}: SKIPPED, there is no chromium (apt-get install chromium)\n`);
  return false;
}

/** A headless browser with nothing of its own: no profile, no background traffic; `flags` are further ones of Chromium. */
export function startBrowser(flags: string[] = []): Promise<Browser> {
  return chromium.launch({
    executablePath: CHROMIUM,
    args: [...FLAGS, ...flags, '--disable-background-networking', '--disable-component-update'],
  });
}

/** What a page is looked at in: a desk by day, a desk by night, a phone. */
export const VIEWS = [
  { name: 'light', colorScheme: 'light', viewport: { width: 1280, height: 900 } },
  { name: 'dark', colorScheme: 'dark', viewport: { width: 1280, height: 900 } },
  { name: 'phone', colorScheme: 'light', viewport: { width: 390, height: 844 } },
] as const;

/** Violations that axe finds on a page, one line each; an empty list: none. `ignore` names rules that do not apply. */
export async function axeViolations(page: Page, ignore: string[] = []): Promise<string[]> {
  const source = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
  // Through the debugger: the page's own policy lets no script in, and that is as it should be.
  await page.evaluate(source);
  const rules = Object.fromEntries(ignore.map((rule) => [rule, { enabled: false }]));
  const found: { id: string; nodes: { html: string; failureSummary?: string }[] }[] = await page.evaluate(
    `axe.run(document, { rules: ${JSON.stringify(rules)} }).then((r) => r.violations)`,
  );
  return found.map(
    ({ id, nodes }) =>
      `${id}: ${nodes[0]?.html.slice(0, 160)} ${nodes[0]?.failureSummary ?? ''} (${nodes.length})`,
  );
}

/** How many pixels a page is wider than its window: a phone must not scroll sideways. */
export function overflow(page: Page): Promise<number> {
  return page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');
}
