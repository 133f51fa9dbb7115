import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { execa } from 'execa';
import { marked, type Token, type Tokens } from 'marked';

const ROOT = resolve('.');
const CLI = join(ROOT, 'dist', 'cli', 'main.js');
const PAGES = execFileSync('git', ['ls-files', '*.md', ':!test', ':!gpu-worker/tiny-base'], {
  encoding: 'utf8',
})
  .split('\n')
  .filter((path) => path !== '' && existsSync(path));

const text = (page: string) => readFileSync(page, 'utf8');

/** Every token of a page, however deep. */
function tokens(page: string): Token[] {
  const found: Token[] = [];
  void marked.walkTokens(marked.lexer(text(page)), (token) => void found.push(token));
  return found;
}

/** Anchors as the Hub and GitHub make them from headings. */
function anchors(page: string): Set<string> {
  const headings = tokens(page).filter((t): t is Tokens.Heading => t.type === 'heading');
  return new Set(
    headings.map((h) =>
      h.text
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
        .trim()
        .replaceAll(/\s/g, '-'),
    ),
  );
}

describe.each(PAGES)('%s', (page) => {
  it('links to files and headings that are there', () => {
    const broken = tokens(page)
      .filter((t): t is Tokens.Link | Tokens.Image => t.type === 'link' || t.type === 'image')
      .map((t) => t.href)
      .filter((href) => !/^(https?:|mailto:)/.test(href))
      .filter((href) => {
        const [path = '', anchor] = decodeURIComponent(href).split('#');
        const target = path === '' ? page : join(dirname(page), path);
        if (!existsSync(target)) return true;
        return anchor !== undefined && target.endsWith('.md') && !anchors(target).has(anchor);
      });
    expect(broken).toEqual([]);
  });

  it('names npm scripts and scripts that are there', () => {
    const scripts = new Set(Object.keys(JSON.parse(text('package.json')).scripts));
    const named = [...text(page).matchAll(/\bnpm run ([\w:-]+)/g)].map((m) => m[1] ?? '');
    expect(named.filter((name) => !scripts.has(name))).toEqual([]);
    const files = [...text(page).matchAll(/\bnode scripts\/ts\.mjs ([\w./-]+)/g)].map((m) => m[1] ?? '');
    expect(files.filter((file) => !existsSync(file))).toEqual([]);
    const tests = [...text(page).matchAll(/--only jest -- (test\/[\w./-]+)/g)].map((m) => m[1] ?? '');
    expect(tests.filter((path) => !startsSomething(path))).toEqual([]);
  });
});

/** Jest takes the beginning of a path. */
function startsSomething(path: string): boolean {
  if (existsSync(path)) return true;
  const folder = dirname(path);
  return existsSync(folder) && readdirSync(folder).some((name) => join(folder, name).startsWith(path));
}

describe('the commands that the documents name', () => {
  /** `plein-air a b --option`, in code only, without what is not a command line. */
  const lines = PAGES.flatMap((page) =>
    tokens(page)
      .filter((t): t is Tokens.Code | Tokens.Codespan => t.type === 'code' || t.type === 'codespan')
      .flatMap((t) => t.text.split('\n'))
      .flatMap(
        (line) => /(?:^|\bnpm run )plein-air (?:-- )?([a-z][^#"|]*)/.exec(line.trim())?.[1]?.trim() ?? [],
      ),
  );
  const words = (line: string) => line.split(/\s+/);
  const options = (line: string) => words(line).flatMap((w) => /^(--[a-z-]+)/.exec(w)?.[1] ?? []);
  const help = new Map<string, Promise<string>>();
  const helpOf = (path: string[]) => {
    const key = path.join(' ');
    const known =
      help.get(key) ??
      execa(process.execPath, [CLI, ...path, '--help'], { reject: false, env: { NODE_OPTIONS: '' } }).then(
        (r) => r.stdout,
      );
    help.set(key, known);
    return known;
  };
  const GROUPS = new Set(['models', 'hub', 'schedule', 'gpu', 'codec', 'config']);

  it('exist, with the options that are shown', async () => {
    expect(lines.length).toBeGreaterThan(10);
    const wrong: string[] = [];
    for (const line of new Set(lines)) {
      const [first = '', second = ''] = words(line);
      const path =
        GROUPS.has(first) && /^[a-z]/.test(second)
          ? [first, second.replace(/,$/, '')]
          : [first.replace(/,$/, '')];
      const shown = await helpOf(path);
      if (!shown.includes(`Usage: plein-air ${path.join(' ')}`)) wrong.push(line);
      for (const option of options(line)) if (!shown.includes(option)) wrong.push(`${line}: ${option}`);
    }
    expect(wrong).toEqual([]);
  }, 120_000);
});

it('the documents are spelt as the dictionaries and cspell.json have it', async () => {
  const cspell = join(ROOT, 'node_modules', 'cspell', 'bin.mjs');
  const args = [cspell, 'lint', '--no-progress', '--no-summary', '--config', 'cspell.json'];
  const { stdout } = await execa(process.execPath, args, { reject: false, env: { NODE_OPTIONS: '' } });
  expect(stdout).toBe('');
}, 120_000);
