import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { TrainingConfig } from '../../src/domain/config/run-config.ts';

const root = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const page = read('docs/extending.md');

/** The files that a section's numbered steps name. */
function steps(heading: string): string[] {
  const section = page.split('\n## ').find((text) => text.startsWith(heading)) ?? '';
  return [...section.matchAll(/^\d+\. `([^`]+)`/gm)].map(([, path = '']) => path);
}

const { schedule, optimizer } = TrainingConfig.unwrap().shape;

describe('docs/extending.md', () => {
  it('names files that are there', () => {
    const named = [...page.matchAll(/`((?:src|docs|gpu-worker)\/[\w./-]+)`/g)].map(([, path = '']) => path);
    expect(named.length).toBeGreaterThan(15);
    expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });

  it.each([
    ['A learning rate schedule', schedule.unwrap().options],
    ['An optimizer', optimizer.unwrap().options],
  ] as const)('%s: every one that there is, is in every file of the steps', (heading, members) => {
    expect(steps(heading).length).toBeGreaterThan(3);
    const missing = steps(heading).flatMap((path) =>
      members.filter((member) => !read(path).includes(member)).map((member) => `${member} in ${path}`),
    );
    expect(missing).toEqual([]);
  });

  it('A command: every file of commands is in the list', () => {
    const callers = ['src/cli/commands/pipeline.ts', 'src/cli/main.ts'].map(read).join('\n');
    const adders = readdirSync(join(root, 'src/cli/commands')).flatMap((file) =>
      [...read(join('src/cli/commands', file)).matchAll(/export function (add\w+Commands?)\(/g)].map(
        ([, name]) => name ?? '',
      ),
    );
    expect(adders.length).toBeGreaterThan(8);
    expect(adders.filter((name) => !new RegExp(`\\b${name}\\b`).test(callers))).toEqual([]);
  });
});

it('bench/README.md tells of every benchmark', () => {
  const listed = read('bench/README.md');
  const files = readdirSync(join(root, 'bench')).filter((name) => /\.(?:ts|py)$/.test(name));
  const missing = files.filter((name) => !listed.includes(name) && !name.startsWith('gate_'));
  expect(missing).toEqual([]);
});
