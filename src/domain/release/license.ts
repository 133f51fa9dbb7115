import { z } from 'zod';
import { codeBlock, escapeMarkdown } from '../escape-markdown.ts';
import { Sha256 } from '../refs.ts';

/** What a license asks of anyone who hands on a model that was made from the licensed one. */
export const Duties = z.strictObject({
  /** Prescribed words, in every copy. */
  notice: z.boolean(),
  /** The license's text beside every copy. */
  copy: z.boolean(),
  /** A statement that the model was modified. */
  modification: z.boolean(),
  /** Images are filtered, or reviewed, before anybody sees them. */
  contentFilter: z.boolean(),
  /** Images say that they were made with AI. */
  disclosure: z.boolean(),
  /** A person accepts the terms: `always`, or for what the public can use. */
  signOff: z.enum(['never', 'public', 'always']),
});
export type Duties = z.infer<typeof Duties>;

/** A base model's license, as its repository states it at one commit. */
export const License = z.strictObject({
  family: z.enum(['flux-non-commercial', 'permissive', 'unknown', 'forbidding']),
  /** Such as `FLUX.1 [dev] Non-Commercial License v1.1.1` or `apache-2.0`. */
  name: z.string(),
  /** Such as `1.1.1`; null: the license has none. */
  version: z.string().nullable(),
  /** The license's file in the base's repository; null: there is none. */
  file: z.strictObject({ path: z.string(), sha256: Sha256 }).nullable(),
  /** The base card's own fields, for the cards of what is made from it. */
  yaml: z.strictObject({ license: z.string(), license_name: z.string().optional() }),
  /** Prescribed words, as in the license's file; empty: none. */
  notice: z.string(),
  /** What may be done with generated images, in words. */
  outputs: z.string(),
  duties: Duties,
});
export type License = z.infer<typeof License>;

/** What a base's repository says of its license. */
export interface LicenseSource {
  /** `license` and `license_name` of the card's front matter; null: no such field. */
  card: { license: string | null; name: string | null };
  file: { path: string; sha256: Sha256; text: string } | null;
}

const PERMISSIVE = new Set(['apache-2.0', 'mit', 'bsd-2-clause', 'bsd-3-clause', 'cc0-1.0']);
const FORBIDDING = /^cc-by(-nc)?-nd-|no[- ]derivatives|all rights reserved/i;
const FLUX_TITLE = /^\W*(FLUX(?:\.\d+)?(?: \[\w+\])? Non-Commercial License)(?: v(\d+(?:\.\d+)*))?/i;
const FLUX_NAME = /^flux[\w.-]*non-commercial/i;
/** Versions whose text was read for the table below; the first one has no number. Of others a person reads the text. */
const FLUX_VERSIONS: ReadonlySet<string | null> = new Set([null, '1.1.1', '2.0']);

/** The license and its duties. What contradicts itself or is not known counts as what asks for most. */
export function readLicense({ card, file }: LicenseSource): License {
  const stated = card.name ?? card.license;
  const common = {
    file: file === null ? null : { path: file.path, sha256: file.sha256 },
    yaml: {
      license: card.license ?? 'other',
      ...(card.name === null ? {} : { license_name: card.name }),
    },
  };
  const title = file === null ? null : FLUX_TITLE.exec(file.text);
  if (title !== null && file !== null)
    return { ...common, ...fluxLicense(String(title[1]), title[2] ?? null, file.text) };
  if (stated !== null && FLUX_NAME.test(stated))
    return { ...common, ...unknown(`${stated}, without its text`) };
  if (FORBIDDING.test(stated ?? '') || FORBIDDING.test(file?.text.slice(0, 200) ?? ''))
    return { ...common, ...unknown(stated ?? 'all rights reserved'), family: 'forbidding' };
  const named = permissiveName(card.license, file?.text ?? null);
  if (named !== null) return { ...common, ...permissive(named) };
  return { ...common, ...unknown(stated ?? firstLine(file?.text ?? '')) };
}

function fluxLicense(title: string, version: string | null, text: string): Omit<License, 'file' | 'yaml'> {
  const notice = /[“"](The FLUX[^”"]*USE OF THIS MODEL\.?)[”"]/is.exec(text)?.[1] ?? '';
  const isKnown = FLUX_VERSIONS.has(version) && notice !== '';
  const asks = (words: RegExp) => !isKnown || words.test(text);
  return {
    family: 'flux-non-commercial',
    name: version === null ? title : `${title} v${version}`,
    version,
    notice: notice.replaceAll(/[ \t]*\r?\n[ \t]*/g, '\n').trim(),
    outputs:
      'Images may be used for any purpose that the license does not prohibit, commercial ones included; not to train a competing model.',
    duties: {
      ...{ notice: true, copy: true, modification: true },
      contentFilter: asks(/content filter/i),
      disclosure: asks(/artificial intelligence technologies/i),
      signOff: isKnown ? 'public' : 'always',
    },
  };
}

/** The one name that card and file agree on; null: they do not, or it is not a permissive one. */
function permissiveName(license: string | null, text: string | null): string | null {
  const inFile =
    text === null
      ? null
      : /Apache License\s+Version 2\.0/.test(text)
        ? 'apache-2.0'
        : /^\W*(The )?MIT License/.test(text)
          ? 'mit'
          : 'other';
  if (license !== null && PERMISSIVE.has(license))
    return inFile === null || inFile === license || (inFile === 'other' && /^(bsd|cc0)/.test(license))
      ? license
      : null;
  return license === null && inFile !== 'other' ? inFile : null;
}

function permissive(name: string): Omit<License, 'file' | 'yaml'> {
  return {
    ...{ family: 'permissive', name, version: null, notice: '' },
    outputs: 'The license sets no conditions on images.',
    duties: {
      ...{ notice: false, copy: name !== 'cc0-1.0', modification: name === 'apache-2.0' },
      ...{ contentFilter: false, disclosure: false, signOff: 'never' },
    },
  };
}

function unknown(name: string): Omit<License, 'file' | 'yaml'> {
  return {
    ...{ family: 'unknown', name: name === '' ? 'no license' : name, version: null, notice: '' },
    outputs: 'Unknown: read the license.',
    duties: {
      ...{ notice: false, copy: true, modification: true },
      ...{ contentFilter: true, disclosure: true, signOff: 'always' },
    },
  };
}

function firstLine(text: string): string {
  return text.trim().split('\n', 1)[0]?.slice(0, 100) ?? '';
}

/** What a deployment does about the duties. */
export interface Fulfillment {
  base: string;
  /** Whether anybody may see release and Space. */
  isPublic: boolean;
  /** Whether a Space serves it. */
  isServed: boolean;
  /** Whether that Space filters what it generates. */
  isFiltered: boolean;
  /** What its page and every image of it say of how they were made; empty: nothing. */
  disclosure: string;
  signOff: string | null;
  /** Paths of the release's files, and the notice's text. */
  files: readonly string[];
  notice: string;
}

/** What a Space's page and every image's metadata say. */
export const DISCLOSURE =
  'Every image here is generated with artificial intelligence, and says so in its metadata.';

/** Name of the license's text in a release. */
export const LICENSE_FILE = 'LICENSE.md';

/** Every duty that a deployment would not fulfill, with what to do; an empty list: it may go out. */
export function unfulfilled(license: License, p: Fulfillment): string[] {
  const { duties, name } = license;
  if (license.family === 'forbidding')
    return [
      `expected a license of ${p.base} that allows modified copies, got "${name}": choose another base.repo, or keep the adapter where it is`,
    ];
  const problems: string[] = [];
  if (duties.signOff === 'always' && p.signOff === null)
    problems.push(
      `expected the name of a person who read the license of ${p.base} ("${name}", unknown to this version) in deployment.licenseSignOff, got none`,
    );
  if (duties.signOff === 'public' && p.isPublic && p.isServed && p.signOff === null)
    problems.push(
      `expected a person's sign-off of ${p.base}'s license ("${name}") for a public Space in deployment.licenseSignOff, got none`,
    );
  if (duties.notice && (license.notice === '' || !p.notice.includes(license.notice)))
    problems.push(`expected the notice that "${name}" prescribes in NOTICE, got another text`);
  if (duties.modification && !p.notice.includes(modificationOf(p.base)))
    problems.push(`expected a statement in NOTICE that ${p.base} was modified, got none`);
  if (duties.copy && license.family !== 'unknown' && !p.files.includes(LICENSE_FILE))
    problems.push(
      `expected a copy of "${name}" as ${LICENSE_FILE}, got none: the base's repository has no LICENSE file to copy`,
    );
  if (duties.contentFilter && p.isServed && !p.isFiltered)
    problems.push(
      `expected a content filter in the Space, as "${name}" asks for, got deployment.contentFilter "off": set it to "as-licensed", or deployment.space=false`,
    );
  if (duties.disclosure && p.isServed && !/\bartificial intelligence\b/i.test(p.disclosure))
    problems.push(
      `expected the Space to say that its images are generated with artificial intelligence, as "${name}" asks for, got ${p.disclosure === '' ? 'nothing' : `"${p.disclosure}"`}: set deployment.space=false, or restore DISCLOSURE`,
    );
  return problems;
}

/** Whether a Space filters what it generates. */
export function isFiltered(
  license: License,
  { contentFilter }: { contentFilter: 'as-licensed' | 'on' | 'off' },
): boolean {
  return contentFilter === 'on' || (contentFilter === 'as-licensed' && license.duties.contentFilter);
}

/** That the model was modified, and by what. */
export function modificationOf(base: string): string {
  return `This adapter modifies ${base}: a low-rank adaptation was trained on top of it by Plein Air. It is not the original model.`;
}

/** Whose license counts, and on which terms. */
function termsOf({ family, name, file, outputs }: License, base: string): string {
  if (family === 'permissive') return `The license of ${base}, ${name}, applies.`;
  const copy = file === null ? '' : ` (see ${LICENSE_FILE})`;
  return `The license of ${base}, "${name}", applies${copy}; the rights in the base are granted by its licensor, not by the publisher of this adapter. ${outputs} The model is provided "as is", without warranty or liability of any kind, to the extent that this license disclaims them.`;
}

/** `NOTICE`, as plain text: that the model was modified, whose license counts, and that license's own words. */
export function noticeOf(license: License, base: string, modification = modificationOf(base)): string {
  return [modification, termsOf(license, base), license.notice].filter((text) => text !== '').join('\n\n');
}

/** The same as Markdown. */
export function noticeMarkdown(license: License, base: string, modification = modificationOf(base)): string {
  return [
    escapeMarkdown(modification),
    escapeMarkdown(termsOf(license, base)),
    ...(license.notice === '' ? [] : [codeBlock(license.notice)]),
  ].join('\n\n');
}
