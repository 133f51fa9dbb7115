/**
 * Precision and recall of every filter and repair on generated pictures with planted faults:
 * `node scripts/ts.mjs bench/defects.ts [images] [seed…]` (default 2000 images, seeds 52417 and 90001).
 */
import { measureDefects, type Score } from '../test/wikiart/planted-defects.ts';

const [images = '2000', ...seeds] = process.argv.slice(2);
const chosen = seeds.length === 0 ? [52_417, 90_001] : seeds.map(Number);
const started = Date.now();
const scores = new Map<string, Score>();
let pictures = 0;
for (const seed of chosen) {
  const report = await measureDefects({ seed, images: Math.ceil(Number(images) / chosen.length) });
  pictures += report.pictures;
  for (const [name, { found, right, planted, wrong }] of report.scores) {
    const score = scores.get(name) ?? { found: 0, right: 0, planted: 0, wrong: [] };
    score.found += found;
    score.right += right;
    score.planted += planted;
    score.wrong.push(...wrong);
    scores.set(name, score);
  }
}
let low = false;
for (const [name, { found, right, planted, wrong }] of scores) {
  const precision = found === 0 ? 1 : right / found;
  const recall = planted === 0 ? 1 : right / planted;
  if (name !== 'label doubts' && Math.min(precision, recall) < 0.98) low = true;
  console.log(
    `${name.padEnd(16)} planted ${String(planted).padStart(4)}  precision ${precision.toFixed(3)}  recall ${recall.toFixed(3)}`,
  );
  for (const line of wrong.slice(0, 8)) console.log(`    ${line}`);
}
console.log(
  `${pictures} pictures, seeds ${chosen.join(' and ')}, ${Math.round((Date.now() - started) / 1000)} s`,
);
if (low) process.exitCode = 1;
