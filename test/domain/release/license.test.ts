import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import type { Sha256 } from '../../../src/domain/refs.ts';
import {
  DISCLOSURE,
  type Fulfillment,
  LICENSE_FILE,
  noticeOf,
  readLicense,
  unfulfilled,
} from '../../../src/domain/release/license.ts';

const APACHE = 'Apache License\n        Version 2.0, January 2004';
const flux = (title: string, more = '') =>
  `${title}\n\n${more}\n“The FLUX Model is licensed by Black Forest Labs Inc.\n  USE OF THIS MODEL.”`;
const FILTERS = 'content filtering measures; generated using artificial intelligence technologies';
const read = (license: string | null, name: string | null, text: string | null) =>
  readLicense({
    card: { license, name },
    file: text === null ? null : { path: 'LICENSE.md', sha256: 'a'.repeat(64) as Sha256, text },
  });

/** Base, what its repository says, and what that asks for: notice, copy, filter, disclosure, sign-off. */
const BASES: [string, ReturnType<typeof read>, string, string, readonly boolean[], string][] = [
  [
    'FLUX.1 [dev] before June 2025',
    read('other', 'flux-1-dev-non-commercial-license', flux('FLUX.1 [dev] Non-Commercial License')),
    ...(['flux-non-commercial', 'FLUX.1 [dev] Non-Commercial License'] as const),
    ...([[true, true, false, false], 'public'] as const),
  ],
  [
    'FLUX.1 [dev], [Krea]',
    read(
      'other',
      'flux-1-dev-non-commercial-license',
      flux('FLUX.1 [dev] Non-Commercial License v1.1.1', FILTERS),
    ),
    ...(['flux-non-commercial', 'FLUX.1 [dev] Non-Commercial License v1.1.1'] as const),
    ...([[true, true, true, true], 'public'] as const),
  ],
  [
    'FLUX.2 [dev]',
    read('other', 'flux-dev-non-commercial-license', flux('FLUX [dev] Non-Commercial License v2.0', FILTERS)),
    ...(['flux-non-commercial', 'FLUX [dev] Non-Commercial License v2.0'] as const),
    ...([[true, true, true, true], 'public'] as const),
  ],
  [
    'FLUX.2 [klein] 9B: a version that nobody read',
    read('other', 'flux-non-commercial-license', flux('FLUX Non-Commercial License v2.1')),
    ...(['flux-non-commercial', 'FLUX Non-Commercial License v2.1'] as const),
    ...([[true, true, true, true], 'always'] as const),
  ],
  [
    'FLUX.3 under a text to come',
    read('other', 'flux-3-license', flux('FLUX.3 [klein] Non-Commercial License v3.0')),
    ...(['flux-non-commercial', 'FLUX.3 [klein] Non-Commercial License v3.0'] as const),
    ...([[true, true, true, true], 'always'] as const),
  ],
  [
    'FLUX.1 [schnell], FLUX.2 [klein] 4B',
    read('apache-2.0', null, APACHE),
    ...(['permissive', 'apache-2.0'] as const),
    ...([[false, true, false, false], 'never'] as const),
  ],
  [
    'Apache by its card alone',
    read('apache-2.0', null, null),
    ...(['permissive', 'apache-2.0'] as const),
    ...([[false, true, false, false], 'never'] as const),
  ],
  [
    'a card that says Apache over a FLUX text',
    read('apache-2.0', null, flux('FLUX.1 [dev] Non-Commercial License v1.1.1', FILTERS)),
    ...(['flux-non-commercial', 'FLUX.1 [dev] Non-Commercial License v1.1.1'] as const),
    ...([[true, true, true, true], 'public'] as const),
  ],
  [
    'a card that says Apache over another text',
    read('apache-2.0', null, 'You may not.'),
    ...(['unknown', 'apache-2.0'] as const),
    ...([[false, true, true, true], 'always'] as const),
  ],
  [
    'a FLUX card without its text',
    read('other', 'flux-1-dev-non-commercial-license', null),
    ...(['unknown', 'flux-1-dev-non-commercial-license, without its text'] as const),
    ...([[false, true, true, true], 'always'] as const),
  ],
  [
    'nothing at all',
    read(null, null, null),
    ...(['unknown', 'no license'] as const),
    ...([[false, true, true, true], 'always'] as const),
  ],
  [
    'no derivatives',
    read('cc-by-nc-nd-4.0', null, null),
    ...(['forbidding', 'cc-by-nc-nd-4.0'] as const),
    ...([[false, true, true, true], 'always'] as const),
  ],
];

describe('the license of a base and its duties', () => {
  it.each(BASES)('%s', (_base, license, family, name, [notice, copy, filter, disclosure], signOff) => {
    expect(license).toMatchObject({ family, name });
    expect(license.duties).toMatchObject({ notice, copy, contentFilter: filter, disclosure, signOff });
  });

  it('stands in the documents as the code has it, row by row', () => {
    const page = readFileSync(new URL('../../../docs/releases.md', import.meta.url), 'utf8');
    const word = (is: boolean | undefined) => (is ? 'yes' : 'no');
    for (const [base, , , name, [notice, copy, filter, disclosure], signOff] of BASES) {
      const duties = [notice, copy, filter, disclosure].map(word).join(' | ');
      expect(page).toContain(`| ${base} | ${name} | ${duties} | ${signOff} |`);
    }
    const table = /\| base \| license as read.*?\n\n/s.exec(page)?.[0] ?? '';
    expect(table.trim().split('\n').length - 2).toBe(BASES.length);
  });

  it('takes the notice word for word from the license, whatever its indentation', () => {
    const text = `FLUX.1 [dev] Non-Commercial License v1.1.1\n“The FLUX.1 [dev] Model is\n      licensed.  \n   USE OF THIS MODEL.”\n“Another.”`;
    expect(read('other', null, text).notice).toBe('The FLUX.1 [dev] Model is\nlicensed.\nUSE OF THIS MODEL.');
  });

  it('counts a FLUX license without the notice that it should prescribe as one to be read by a person', () => {
    expect(read('other', null, 'FLUX.1 [dev] Non-Commercial License v1.1.1').duties.signOff).toBe('always');
  });
});

describe('a deployment is refused', () => {
  const license = read('other', null, flux('FLUX.1 [dev] Non-Commercial License v1.1.1', FILTERS));
  const base = 'black-forest-labs/FLUX.1-dev';
  const all: Fulfillment = {
    ...{ base, isPublic: true, isServed: true, isFiltered: true, signOff: 'Ada', disclosure: DISCLOSURE },
    ...{ files: [LICENSE_FILE, 'NOTICE'], notice: noticeOf(license, base) },
  };

  it('for nothing where every duty is fulfilled', () => {
    expect(unfulfilled(license, all)).toEqual([]);
    expect(unfulfilled(license, { ...all, isPublic: false, signOff: null })).toEqual([]);
    expect(
      unfulfilled(license, { ...all, isServed: false, signOff: null, isFiltered: false, disclosure: '' }),
    ).toEqual([]);
    expect(
      unfulfilled(read('apache-2.0', null, APACHE), { ...all, signOff: null, isFiltered: false }),
    ).toEqual([]);
  });

  it.each<[string, Partial<Fulfillment>, RegExp]>([
    ['no sign-off for a public Space', { signOff: null }, /sign-off.*deployment\.licenseSignOff/],
    ['no filter in the Space', { isFiltered: false }, /content filter.*deployment\.contentFilter/],
    [
      'no disclosure',
      { disclosure: 'Painted by hand.' },
      /generated with artificial intelligence.*DISCLOSURE/,
    ],
    ['no copy of the license', { files: ['NOTICE'] }, /a copy of .*LICENSE\.md/],
    ['no notice', { notice: noticeOf({ ...license, notice: '' }, base) }, /the notice that/],
    ['no statement of change', { notice: license.notice }, /was modified/],
  ])('for %s alone', (_what, change, message) => {
    const problems = unfulfilled(license, { ...all, ...change });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(message);
  });

  it('for a license that a person has not read, public or private, and for one that forbids it', () => {
    const unknown = read('other', 'some-license', 'Some license');
    const hidden = {
      ...all,
      isPublic: false,
      isServed: false,
      signOff: null,
      notice: noticeOf(unknown, base),
    };
    expect(unfulfilled(unknown, hidden)).toEqual([expect.stringContaining('a person who read the license')]);
    expect(unfulfilled(unknown, { ...hidden, signOff: 'Ada' })).toEqual([]);
    expect(unfulfilled(read('cc-by-nd-4.0', null, null), all)).toEqual([
      expect.stringContaining('choose another base.repo'),
    ]);
  });
});
