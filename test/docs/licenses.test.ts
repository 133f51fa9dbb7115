import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { z } from 'zod';

const Lock = z.object({
  packages: z.record(z.string(), z.object({ license: z.string().optional(), dev: z.boolean().optional() })),
});
const read = (name: string) => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8');

/** In the table of THIRD-PARTY.md. */
const KNOWN = new Set(
  'MIT ISC BSD-2-Clause BSD-3-Clause Apache-2.0 0BSD BlueOak-1.0.0 Unlicense CC-BY-4.0 LGPL-3.0-or-later'.split(
    ' ',
  ),
);
/** Whose lock entry names none: swc's binaries are Apache-2.0 and MIT, unionfs is Unlicense, by their own files. */
const UNNAMED = /^node_modules\/(@swc\/core-[\w-]+|unionfs)$/;

it('every npm package of the service has a license that the notices know', () => {
  const { packages } = Lock.parse(JSON.parse(read('package-lock.json')));
  const strangers = Object.entries(packages).flatMap(([path, { license, dev }]) => {
    if (path === '' || dev === true || (license === undefined && UNNAMED.test(path))) return [];
    const names = (license ?? 'none').replaceAll(/[()]/g, '').split(/ AND /);
    const isKnown = names.every((name) => name.split(/ OR /).some((one) => KNOWN.has(one)));
    return isKnown ? [] : [`${path}: ${license ?? 'none'}`];
  });
  expect(strangers).toEqual([]);
});

it('the notices name NVIDIA’s terms, which the trainer’s lock file brings', () => {
  expect(read('gpu-worker/requirements-gpu.lock') + read('gpu-worker/requirements.lock')).toMatch(
    /^nvidia-/m,
  );
  expect(read('THIRD-PARTY.md')).toContain('NVIDIA’s own terms'.replace('’', "'"));
});
