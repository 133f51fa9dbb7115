import { readFile } from 'node:fs/promises';
import type { DeploymentConfig } from '../domain/config/run-config.ts';
import type { CommitRef } from '../domain/refs.ts';
import {
  DISCLOSURE,
  isFiltered,
  LICENSE_FILE,
  type License,
  noticeOf,
  readLicense,
  unfulfilled,
} from '../domain/release/license.ts';
import { cardFields } from '../hub/card-fields.ts';
import { sha256Of } from '../hub/hashing.ts';
import type { Hub } from '../hub/hub.ts';

/** A license with its text; null: none is known. */
export interface LicenseWithText {
  license: License;
  text: string | null;
}

const NAMES = /^(licen[sc]e|copying)(\.(md|txt))?$/i;
/** More than any license: the rest of a larger file is not one. */
const MAX_BYTES = 200_000;

/** The license that a base's repository states at a commit, in its card and its license file. */
export async function licenseOf(hub: Hub, base: CommitRef): Promise<LicenseWithText> {
  const repo = { type: base.type, repo: base.repo };
  const listed = await hub.list(repo, base.commit);
  const path = listed.find((f) => NAMES.test(f.path) && f.bytes <= MAX_BYTES)?.path ?? null;
  const [card, bytes] = await Promise.all([
    hub.read(repo, base.commit, 'README.md'),
    path === null ? null : hub.read(repo, base.commit, path),
  ]);
  const text = bytes?.toString('utf8') ?? null;
  const fields = cardFields(card?.toString('utf8') ?? '');
  const license = readLicense({
    card: { license: stringOf(fields.license), name: stringOf(fields.license_name) },
    file: path === null || text === null || bytes === null ? null : { path, sha256: sha256Of(bytes), text },
  });
  return { license, text: text ?? (await standardText(license)) };
}

function stringOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

/** Apache's text is the same everywhere: this project's own license. */
async function standardText(license: License): Promise<string | null> {
  if (license.name !== 'apache-2.0') return null;
  return readFile(new URL('../../LICENSE', import.meta.url), 'utf8');
}

/** Every duty of the base's license that a run's deployment would leave undone, with what to do. */
export function deploymentProblems(
  { license, text }: LicenseWithText,
  base: string,
  deployment: DeploymentConfig,
): string[] {
  return unfulfilled(license, {
    base,
    isPublic: !deployment.private,
    isServed: deployment.space,
    isFiltered: isFiltered(license, deployment),
    disclosure: DISCLOSURE,
    signOff: deployment.licenseSignOff,
    files: text === null ? [] : [LICENSE_FILE],
    notice: noticeOf(license, base),
  });
}
