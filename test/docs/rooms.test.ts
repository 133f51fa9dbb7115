import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { problemsOf, roomsOf, sources, table } from '../../scripts/check-rooms.mjs';
import { circlesOf, GONE, houseFigures, placesOf } from '../../scripts/house-figures.mjs';

const TABLE = [
  '| `src/cli` | the command | `hub`, `domain` |',
  '| `src/hub` | the repository | `domain` |',
  '| `src/domain` | pure | zod |',
].join('\n');
const file = (path: string, ...targets: string[]) => ({
  path,
  text: targets.map((target) => `import type { A } from '${target}';\n`).join(''),
});
const FILES = [
  file('src/cli/run.ts', '../hub/hub.ts', '../domain/refs.ts'),
  file('src/hub/hub.ts', '../domain/refs.ts', './errors.ts'),
  file('src/domain/config/run.ts', '../refs.ts'),
];

describe('the rooms', () => {
  it('import what the table of docs/architecture.md says, and nothing else', () => {
    expect(problemsOf(table(), sources())).toEqual([]);
    expect(problemsOf(roomsOf(TABLE), FILES)).toEqual([]);
  });

  it.each([
    ['an arrow back up', [file('src/domain/a.ts', '../hub/hub.ts')], /src\/domain\/a\.ts: expected imports/],
    [
      'an import over several lines',
      [{ path: 'src/hub/a.ts', text: "import {\n  A,\n} from '../cli/run.ts';" }],
      /cli/,
    ],
    ['a dynamic import', [{ path: 'src/hub/a.ts', text: "await import('../cli/run.ts')" }], /cli/],
    ['a room without a row', [file('src/new/a.ts')], /src\/new: expected a row/],
  ])('finds %s', (_, more, problem) => {
    expect(problemsOf(roomsOf(TABLE), [...FILES, ...more])).toEqual([expect.stringMatching(problem)]);
  });

  it('finds a row of the table that nothing stands for', () => {
    expect(problemsOf(roomsOf(TABLE), FILES.slice(1)).length).toBeGreaterThan(0);
    const upwards = TABLE.replace('`domain` |\n| `src/domain`', '`domain`, `cli` |\n| `src/domain`');
    expect(problemsOf(roomsOf(upwards), FILES).join('\n')).toMatch(/rooms below it/);
  });
});

describe('the house', () => {
  const file = (path: string, text: string) => ({ path, text });

  it('has no import circle, types counted, and no word that went', () => {
    expect(houseFigures(fileURLToPath(new URL('../..', import.meta.url))).problems).toEqual([]);
  });

  it('would notice a circle of types through three files', () => {
    const files = [
      file('src/a/one.ts', "import type { Two } from '../b/two.ts';"),
      file('src/b/two.ts', "export { Three } from './three.ts';"),
      file('src/b/three.ts', "import type { One } from '../a/one.ts';"),
    ];
    expect(circlesOf(files)).toEqual(['src/b/three.ts -> src/a/one.ts']);
    expect(circlesOf(files.slice(0, 2))).toEqual([]);
  });

  it('would notice a word that went, where it stands', () => {
    const files = [file('src/a.ts', `\nconst ${'MOST'}_FILES = 3;`), file('src/b.ts', 'almost most')];
    expect(GONE.flatMap(([word]) => placesOf(word, files))).toEqual(['src/a.ts:2']);
  });
});
