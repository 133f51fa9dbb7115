import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { projectFileText } from '../../src/cli/project-file-text.ts';
import { PROFILES } from '../../src/domain/config/profiles.ts';
import { parseRunConfig } from '../../src/domain/config/run-config.ts';
import { projectInput } from '../../src/runs/project-file.ts';
import { readInput } from '../../src/runs/run-input.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'plein-air-init-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = (...args: string[]) =>
  spawnSync(process.execPath, [join(ROOT, 'dist/cli/main.js'), ...args], { cwd: folder, encoding: 'utf8' });

describe('plein-air.yaml', () => {
  it.each(PROFILES)(
    'as written for %s is the defaults: as it is, and with every line switched on',
    (profile) => {
      const text = projectFileText({ profile, style: null, schema: 's.json' });
      const plain = parseRunConfig({ profile });
      expect(parse(text)).toEqual({ profile });
      // A setting is "#name: value", at most two blanks deep; words for people have a blank after the sign.
      const switchedOn = parse(text.replaceAll(/^#(?=( {2})?\w+:)/gm, ''));
      expect(Object.keys(switchedOn).length).toBeGreaterThan(8);
      expect(parseRunConfig(switchedOn)).toEqual(plain);
    },
  );

  it('takes a style with signs of its own', () => {
    const text = projectFileText({ profile: null, style: 'my: #garden', schema: 's.json' });
    expect(parse(text)).toEqual({ dataset: { style: 'my: #garden', trigger: 'my: #garden' } });
  });

  it('lies under --input, --set and options, and over nothing', () => {
    const project = { profile: 'tiny', training: { steps: 7, rank: 4, warmupSteps: 2 }, seed: 1 };
    const { input } = readInput('fineTune', {
      ...{ project, input: '{"training": {"steps": 8}}', set: ['seed=2'], profile: 't4' },
    });
    expect(input).toEqual({ profile: 't4', training: { steps: 8, rank: 4, warmupSteps: 2 }, seed: 2 });
  });

  it('that cannot be read is refused with its place', () => {
    for (const [text, words] of [
      ['profile: [', /plein-air\.yaml cannot be read: .*line 1/s],
      ['- profile', /expected fields such as "profile: t4", got a list/],
      ['tiny', /got the string tiny/],
      [`a: &a [1]\n${Array.from({ length: 30 }, (_, i) => `k${i}: [*a, *a]`).join('\n')}`, /alias/],
      [`# ${'x'.repeat(300_000)}`, /at most 262144 bytes/],
    ] as const) {
      writeFileSync(join(folder, 'plein-air.yaml'), text);
      expect(() => projectInput(folder)).toThrow(words);
    }
    writeFileSync(join(folder, 'plein-air.yaml'), '# nothing yet\n');
    expect(projectInput(folder)).toEqual({});
    rmSync(join(folder, 'plein-air.yaml'));
    expect(projectInput(folder)).toBeNull();
  });
});

describe('plein-air init', () => {
  it('writes the file and the schema beside it once, and a run is refused by what it then says', () => {
    const first = run('init', '--profile', 't4', '--style', 'lilies');
    expect(first.stderr).toBe('');
    const text = readFileSync(join(folder, 'plein-air.yaml'), 'utf8');
    expect(text).toContain('profile: t4');
    const schema = /\$schema=(\S+)/.exec(text)?.[1] ?? '';
    const properties = JSON.parse(readFileSync(join(folder, schema), 'utf8')).properties;
    expect(properties.training.properties.steps).toMatchObject({
      type: 'integer',
      description: expect.any(String),
    });

    const again = run('init');
    expect(again.status).toBe(2);
    expect(again.stderr).toContain('--force');
    expect(readFileSync(join(folder, 'plein-air.yaml'), 'utf8')).toBe(text);

    writeFileSync(join(folder, 'plein-air.yaml'), 'training: {steps: many}\n');
    const refused = run('run', 'evening');
    expect(refused.status).toBe(2);
    expect(refused.stderr).toContain('plein-air.yaml of this folder sets training');
    expect(refused.stderr).toContain('training.steps: expected number, got "many"');
  }, 60_000);

  it('has the schema and the configuration page that the code makes', () => {
    execFileSync(process.execPath, [join(ROOT, 'scripts/generate-configuration.mjs'), '--check']);
  }, 60_000);
});
