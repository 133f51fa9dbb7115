/**
 * Figures of the house, printed with the table of rooms by `npm run check`: import circles, files and lines, long comments,
 * and words that went. A word of `GONE` that comes back is a problem; those of `LEAVING` are counted.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, posix, sep } from 'node:path';

const IMPORT = /(?:\bfrom|\bimport\(|^import)\s*'(\.[^']+)'/gm;
const MAX_COMMENT = 105;
const MAX_LINES = 250;

/** Words of the project's early dialect that no name and no sentence has any more, with what is said instead. */
export const GONE = [
  [/\b_?(?:MOST|LONGEST)_[A-Z]/, 'MAX_'],
  [/\b_?(?:LEAST|FEWEST)_[A-Z]/, 'MIN_'],
  [/\blane\b(?=:| =|\)|\.)|\.lane\b|\b(?:Taken|Tidy)?Lanes?(?:[A-Z]\w*)?\b|\bLANE_/, 'branch'],
  [/\bdoomed\b/i, 'pendingDeletions'],
  [/\bstillNamed\b/, 'stillReferenced'],
  [/\b(?:Wishes|wished|take_up|goesOn|holdable)\b/, 'the words of LoadOptions, control flags and pauses'],
];

/** Words that are still to go. */
export const LEAVING = [/\brivals?\b/i, /\blooks?\b/, /\bstretch(?:es)?\b/i];

/** Circles of imports among files, types counted, each as one of its files. */
export function circlesOf(files) {
  const imports = new Map(
    files.map(({ path, text }) => [
      path,
      [...text.matchAll(IMPORT)].map(([, specifier]) => posix.join(posix.dirname(path), specifier)),
    ]),
  );
  const state = new Map();
  const circles = [];
  const visit = (path) => {
    state.set(path, 'open');
    for (const next of imports.get(path) ?? [])
      if (state.get(next) === 'open') circles.push(`${path} -> ${next}`);
      else if (!state.has(next)) visit(next);
    state.set(path, 'closed');
  };
  for (const path of imports.keys()) if (!state.has(path)) visit(path);
  return circles;
}

/** Files below these folders, with their text. */
function filesIn(root, folders, ending) {
  return folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true })
      .filter((name) => ending.test(name) && !/(^|[/\\])(node_modules|\.)/.test(name))
      .map((name) => ({
        path: posix.join(folder, ...name.split(sep)),
        text: readFileSync(join(root, folder, name), 'utf8'),
      })),
  );
}

/** Every place of a word, as `path:line`. */
export function placesOf(word, files) {
  return files.flatMap(({ path, text }) =>
    text.split('\n').flatMap((line, index) => (word.test(line) ? [`${path}:${index + 1}`] : [])),
  );
}

/** The figures as lines, and the problems among them. */
export function houseFigures(root) {
  const typescript = filesIn(root, ['src'], /\.ts$/);
  const python = filesIn(root, ['gpu-worker/src'], /\.py$/);
  const all = [...typescript, ...python];
  const words = [...all, ...filesIn(root, ['test', 'bench', 'gpu-worker/tests'], /\.(ts|py)$/)];
  const lines = (files) => files.reduce((sum, { text }) => sum + text.split('\n').length - 1, 0);
  const circles = circlesOf(typescript);
  const comments = all.flatMap(({ text }) =>
    text.split('\n').filter((line) => line.length > MAX_COMMENT && /^\s*(?:\/\/|\/?\*|#)/.test(line)),
  );
  const long = all.filter(({ text }) => text.split('\n').length - 1 > MAX_LINES);
  const back = GONE.flatMap(([word, instead]) =>
    placesOf(word, words).map(
      (place) => `${place}: expected ${instead}, got a word that went (${word.source})`,
    ),
  );
  const leaving = LEAVING.map(
    (word) => `${word.source.replace(/\\b|\(.*\)/g, '')} ${placesOf(word, all).length}`,
  );
  return {
    problems: [...circles.map((circle) => `${circle}: an import circle`), ...back],
    lines: [
      `${circles.length} import circles, types counted`,
      `TypeScript ${lines(typescript)} lines in ${typescript.length} files, Python ${lines(python)} in ${python.length}`,
      `${comments.length} comment lines over ${MAX_COMMENT} characters, ${long.length} files over ${MAX_LINES} lines`,
      `${back.length} words that went, lines with words that are to go: ${leaving.join(', ')}`,
    ],
  };
}
