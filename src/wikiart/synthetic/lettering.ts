import type { Random } from './random.ts';

/** Letters as five columns by seven rows, a hexadecimal pair a row: drawn as squares, no font on the machine is needed. */
const LETTERS: Record<string, string> = {
  A: '0e11111f111111',
  B: '1e11111e11111e',
  C: '0e11101010110e',
  D: '1e11111111111e',
  E: '1f10101e10101f',
  F: '1f10101e101010',
  G: '0e11101711110f',
  H: '1111111f111111',
  I: '0e04040404040e',
  K: '11121418141211',
  L: '1010101010101f',
  M: '111b1515111111',
  N: '11191513111111',
  O: '0e11111111110e',
  P: '1e11111e101010',
  R: '1e11111e141211',
  S: '0f10100e01011e',
  T: '1f040404040404',
  U: '1111111111110e',
  V: '11111111110a04',
  W: '11111115151b11',
  '0': '0e11131519110e',
  '1': '040c040404040e',
  '2': '0e11010204081f',
  '3': '1f02040201110e',
  '7': '1f010204080808',
  '9': '0e11110f01020c',
  '.': '0000000000000c',
};

const WORDS = [
  'WWW.ART',
  'MUSEUM',
  'GALLERIE',
  'SCAN',
  'COLLECTION',
  'NATIONAL',
  'PHOTO',
  'ARCHIVE',
  'PRINT',
  '1897',
  '2003',
  'COM',
];

/** A line of lettering that is as long as it may be within a width, in cells of `cell` pixels, as SVG. */
export function letteringSvg(p: {
  random: Random;
  left: number;
  top: number;
  width: number;
  cell: number;
  fill: string;
  opacity: number;
}): string {
  const most = Math.floor(p.width / (6 * p.cell));
  let text = p.random.pick(WORDS);
  while (text.length < most) {
    const longer = `${text} ${p.random.pick(WORDS)}`;
    if (longer.length > most) break;
    text = longer;
  }
  const squares: string[] = [];
  for (const [at, letter] of [...text].entries()) {
    const rows = LETTERS[letter];
    if (rows === undefined) continue;
    for (let row = 0; row < 7; row++) {
      const bits = Number.parseInt(rows.slice(row * 2, row * 2 + 2), 16);
      for (let column = 0; column < 5; column++)
        if ((bits >> (4 - column)) & 1)
          squares.push(
            `M${round(p.left + (at * 6 + column) * p.cell)} ${round(p.top + row * p.cell)}h${p.cell}v${p.cell}h${-p.cell}z`,
          );
    }
  }
  return `<path d="${squares.join('')}" fill="${p.fill}" fill-opacity="${p.opacity}"/>`;
}

/** A painter's name in one running line with loops, as a signature is, as SVG. */
export function signatureSvg(p: {
  random: Random;
  left: number;
  top: number;
  height: number;
  loops: number;
  color: string;
}): string {
  const { random, height } = p;
  const step = height * 0.55;
  let path = `M${round(p.left)} ${round(p.top + height * 0.8)}`;
  for (let loop = 0; loop < p.loops; loop++) {
    const x = p.left + loop * step;
    const rise = loop % 3 === 0 ? 1 : random.between(0.35, 0.6);
    const peak = p.top + height * (1 - rise);
    path += `C${round(x + step * 0.2)} ${round(peak)} ${round(x + step * 0.9)} ${round(peak)} ${round(x + step * 0.55)} ${round(p.top + height * 0.75)}`;
    path += `S${round(x + step * 0.7)} ${round(p.top + height)} ${round(x + step)} ${round(p.top + height * 0.78)}`;
  }
  return `<path d="${path}" fill="none" stroke="${p.color}" stroke-width="${round(height * 0.11)}" stroke-linecap="round"/>`;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
