import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { execa } from 'execa';
import { describeFolder } from '../../src/cli/from-folder.ts';
import { parseRunConfig } from '../../src/domain/config/run-config.ts';
import { smallSetSettings } from '../../src/domain/dataset/small-set.ts';
import { lookAtFolder } from '../../src/wikiart/import-source.ts';

const PAGE = 'docs/own-pictures.md';

it('the page of one’s own pictures shows what the command says of the folder that it paints', async () => {
  const root = await mkdtemp(join(tmpdir(), 'own-pictures-'));
  try {
    const page = await readFile(PAGE, 'utf8');
    const [, script = '', name = ''] = /`node (scripts\/ts\.mjs bench\/\S+\.ts) (\S+)`/.exec(page) ?? [];
    const folder = join(root, name);
    await execa('node', [...script.split(' '), folder]);
    const said = describeFolder(await lookAtFolder(folder, { style: null }))
      .join('\n')
      // biome-ignore lint/suspicious/noControlCharactersInRegex: colors
      .replaceAll(/\u001b\[[0-9;]*m/g, '');
    for (const line of said.split('\n')) expect(page).toContain(line.trimEnd());
    const parsed = parseRunConfig({});
    if (!parsed.ok) throw new Error('expected the tiny profile');
    const { dataset } = smallSetSettings(30, parsed.value) as { dataset: Record<string, unknown> };
    for (const [field, value] of Object.entries(dataset))
      expect(page).toContain(`dataset.${field}=${String(value)}`);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}, 120_000);
