import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from '@jest/globals';
import { execa } from 'execa';
import { PROJECT } from '../../src/config/paths.ts';

const folder = mkdtempSync(join(tmpdir(), 'setup-lock-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const MODULE = pathToFileURL(join(PROJECT, 'scripts', 'setup-lock.mjs')).href;

/** A process that takes the lock, writes that it works, and that it is done, before it lets go. */
function taker(file: string, journal: string) {
  const program = `
    import { appendFileSync } from 'node:fs';
    import { takeLock } from '${MODULE}';
    const release = await takeLock('${file}', () => undefined);
    appendFileSync('${journal}', 'in ');
    await new Promise((resolve) => setTimeout(resolve, 50));
    appendFileSync('${journal}', 'out ');
    release();`;
  return execa(process.execPath, ['--input-type=module', '-e', program], { env: { NODE_OPTIONS: '' } });
}

describe('the lock of set-up', () => {
  it('lets one process in at a time, and each in its turn', async () => {
    const [file, journal] = [join(folder, 'lock'), join(folder, 'journal')];
    await Promise.all(Array.from({ length: 4 }, () => taker(file, journal)));
    expect(readFileSync(journal, 'utf8')).toBe('in out '.repeat(4));
    expect(existsSync(file)).toBe(false);
  }, 60_000);

  it('is taken over from a process that has ended', async () => {
    const [file, journal] = [join(folder, 'stale'), join(folder, 'stale-journal')];
    const ended = await execa(process.execPath, ['-p', 'process.pid']);
    writeFileSync(file, ended.stdout);
    await taker(file, journal);
    expect(readFileSync(journal, 'utf8')).toBe('in out ');
  }, 60_000);
});
