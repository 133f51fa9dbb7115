/**
 * Compares what the rooms of `src` import with the table of docs/architecture.md, the one place where that is decided, and
 * prints the house's figures.
 * Usage: node scripts/check-rooms.mjs
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, resolve, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { houseFigures } from './house-figures.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const IMPORT = /(?:\bfrom|\bimport\(|^import)\s*'(\.[^']+)'/gm;

/** The table: rooms in their order, from the top down, each with the rooms that it may import. */
export function roomsOf(architecture) {
  const rows = [...architecture.matchAll(/^\| `src\/([\w-]+)` \|[^|]*\| ([^|]*) \|$/gm)];
  return new Map(
    rows.map(([, name, allowed]) => [name, [...allowed.matchAll(/`([\w-]+)`/g)].map(([, r]) => r)]),
  );
}

/** Every import of one file of `src` from another room, type imports too. */
export function arrowsOf(files) {
  const arrows = [];
  for (const { path, text } of files)
    for (const [, specifier] of text.matchAll(IMPORT)) {
      const target = posix.join(posix.dirname(path), specifier);
      const [from, to] = [path.split('/')[1], target.split('/')[1]];
      if (target.startsWith('src/') && from !== to) arrows.push({ from, to, path, target });
    }
  return arrows;
}

/** Sentences about rooms and imports that do not fit each other; none: all is as the table says. */
export function problemsOf(rooms, files) {
  const order = [...rooms.keys()];
  const found = new Set(files.map(({ path }) => path.split('/')[1]).filter((room) => !room.endsWith('.ts')));
  const arrows = arrowsOf(files);
  const problems = [];
  for (const room of found)
    if (!rooms.has(room)) problems.push(`src/${room}: expected a row in the table of rooms, got none`);
  for (const room of order)
    if (!found.has(room)) problems.push(`src/${room}: expected files, got a row in the table of rooms alone`);
  for (const { from, to, path, target } of arrows)
    if (rooms.has(from) && !rooms.get(from).includes(to))
      problems.push(
        `${path}: expected imports from ${rooms.get(from).join(', ') || 'no room'}, got ${target}: move what is shared down, or change the table`,
      );
  for (const [room, allowed] of rooms)
    for (const to of allowed) {
      if (order.indexOf(to) <= order.indexOf(room))
        problems.push(`src/${room}: expected imports from rooms below it in the table, got ${to}`);
      if (!arrows.some((arrow) => arrow.from === room && arrow.to === to))
        problems.push(
          `src/${room}: expected an import from ${to}, as the table allows, got none: take it out`,
        );
    }
  return problems;
}

/** The TypeScript files of `src`, by their path from the root. */
export function sources(folder = join(root, 'src')) {
  return readdirSync(folder, { recursive: true })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => ({
      path: posix.join('src', ...name.split(sep)),
      text: readFileSync(join(folder, name), 'utf8'),
    }));
}

/** The table of docs/architecture.md. */
export function table() {
  return roomsOf(readFileSync(join(root, 'docs/architecture.md'), 'utf8'));
}

if (process.argv[1] && import.meta.url === pathToFileURL(resolve(process.argv[1])).href) {
  const files = sources();
  const rooms = table();
  const arrows = arrowsOf(files);
  for (const room of rooms.keys()) {
    const own = files.filter(({ path }) => path.split('/')[1] === room).length;
    const outward = arrows.filter(({ from }) => from === room);
    const to = new Set(outward.map((arrow) => arrow.to));
    console.log(
      `${room.padEnd(12)} ${String(own).padStart(3)} files ${String(outward.length).padStart(4)} arrows  imports ${[...to].sort().join(', ') || 'nothing'}`,
    );
  }
  const figures = houseFigures(root);
  for (const line of figures.lines) console.log(line);
  const problems = [...problemsOf(rooms, files), ...figures.problems];
  for (const problem of problems) console.error(problem);
  console.log(`${rooms.size} rooms, ${problems.length} problems`);
  if (problems.length > 0) process.exitCode = 1;
}
