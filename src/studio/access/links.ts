import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { Role } from './roles.ts';

/** A link that was given out: never the token, only its sha256. Times are milliseconds since the epoch. */
const IssuedLink = z.strictObject({
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  role: Role,
  issuedAt: z.number(),
  expiresAt: z.number(),
});
type IssuedLink = z.infer<typeof IssuedLink>;

const LinksFile = z.strictObject({ format: z.literal(1), links: z.array(IssuedLink) });

const DAY = 86_400_000;
/** Links kept; the oldest go first. */
const MAX_LINKS = 200;

const digest = (token: string) => createHash('sha256').update(token).digest('hex');

/** Makes a token of a role and writes its hash into the file; the token itself is returned and kept nowhere. */
export function issueLink(
  file: string,
  { role, days, now = Date.now() }: { role: Role; days: number; now?: number },
): string {
  const token = randomBytes(32).toString('base64url');
  const valid = readLinks(file).filter(({ expiresAt }) => expiresAt > now);
  const link: IssuedLink = { sha256: digest(token), role, issuedAt: now, expiresAt: now + days * DAY };
  mkdirSync(dirname(file), { recursive: true });
  const content = JSON.stringify({ format: 1, links: [...valid, link].slice(-MAX_LINKS) }, null, 2);
  const temporary = `${file}.${process.pid}.tmp`;
  writeFileSync(temporary, content, { mode: 0o600 });
  renameSync(temporary, file);
  return token;
}

/** Links of a file that cannot be read are none: everybody is kept out. */
function readLinks(file: string): IssuedLink[] {
  try {
    return LinksFile.parse(JSON.parse(readFileSync(file, 'utf8'))).links;
  } catch {
    return [];
  }
}

/** The links of a file, read again when it changes, so that another process can give out more. */
export class Links {
  readonly #file: string;
  #version = '';
  #roles = new Map<string, IssuedLink>();

  constructor(file: string) {
    this.#file = file;
  }

  /** The role that a token gives; null: none. Hashes are looked up, so that no comparison tells how near a guess came. */
  roleOf(token: string, now = Date.now()): Role | null {
    this.#refresh();
    const link = this.#roles.get(digest(token));
    return link === undefined || link.expiresAt <= now ? null : link.role;
  }

  #refresh(): void {
    const { mtimeMs, size, ino } = statSync(this.#file, { throwIfNoEntry: false }) ?? {};
    const version = `${mtimeMs} ${size} ${ino}`;
    if (version === this.#version) return;
    this.#version = version;
    this.#roles = new Map(readLinks(this.#file).map((link) => [link.sha256, link]));
  }
}
