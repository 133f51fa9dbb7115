import { z } from 'zod';
import { requireWrite } from '../http/access.ts';
import { badRequest } from '../http/errors.ts';
import type { Exchange } from '../http/exchange.ts';
import type { Hub } from '../hub.ts';
import { isFolder } from '../store/directories.ts';
import { matchesGlob } from '../store/glob.ts';
import { isDeleted, type Repo } from '../store/repo.ts';
import { splitRepoPath } from '../store/repo-path.ts';
import { locate } from '../store/tree.ts';
import { uploadModes } from '../store/upload-mode.ts';

/** Longest text of patterns and of those with wildcards, in characters, and longest work on one request. */
const MAX_TEXT = 256 * 1024;
const COSTLY = 4 * 1024;
const MAX_MS = 10_000;

const Request = z.object({
  files: z.array(z.object({ path: z.string(), size: z.number().int().nonnegative() })),
  gitAttributes: z.string().nullish(),
  gitIgnore: z.string().nullish(),
});

/** POST preupload/{revision}: how each file should travel, and the id of what the branch holds at its path. */
export async function preupload(hub: Hub, exchange: Exchange, repo: Repo, revision: string): Promise<void> {
  requireWrite(exchange);
  const asked = await exchange.body(Request);
  const { tree } = await repo.commit(await repo.resolve(revision));
  const attributes = asked.gitAttributes ?? (await readText(hub, repo, tree, '.gitattributes'));
  const ignored = asked.gitIgnore ?? (await readText(hub, repo, tree, '.gitignore'));
  const modeOf = uploadModes(withinLimit(attributes, '.gitattributes'));
  const ignore = ignoredBy(withinLimit(ignored, '.gitignore'));
  const files = [];
  const deadline = performance.now() + MAX_MS;
  for (const file of asked.files) {
    // Patterns times files may be much: other requests get their turn, and this one an end.
    await new Promise((resolve) => setImmediate(resolve));
    if (performance.now() > deadline)
      throw badRequest(
        'Expected fewer files, or simpler patterns in .gitattributes and .gitignore, in one request',
      );
    const entry = await locate(repo.objects, tree, splitRepoPath(file.path));
    const present = entry && !isFolder(entry) && !(await isDeleted(repo, entry));
    const known = present ? { oid: entry.lfs ? entry.sha256 : entry.oid } : {};
    files.push({
      path: file.path,
      uploadMode: modeOf(file),
      shouldIgnore: ignore(file.path),
      ...known,
    });
  }
  exchange.json({ files });
}

/** Insists that what has to be tried character by character is little; plain names and `*.kind` are cheap. */
function withinLimit(patterns: string, name: string): string {
  const costly = patterns.split('\n').filter((line) => /[*?]/.test(line.replace(/^\*\.[\w.-]+(\s|$)/, '')));
  const size = costly.reduce((sum, line) => sum + line.length, 0);
  if (size <= COSTLY && patterns.length <= MAX_TEXT) return patterns;
  throw badRequest(
    `Expected ${name} of at most ${MAX_TEXT} characters, ${COSTLY} of them in lines with * or ?, got ${patterns.length} and ${size}`,
  );
}

async function readText(hub: Hub, repo: Repo, tree: string | null, name: string): Promise<string> {
  const entry = await locate(repo.objects, tree, [name]);
  if (!entry || isFolder(entry) || entry.size > 1_000_000) return '';
  const chunks: Buffer[] = [];
  for await (const chunk of hub.blobs.read(entry.sha256)) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

/** The common part of `.gitignore`: names, folders and globs; later lines with `!` bring files back. */
function ignoredBy(text: string): (path: string) => boolean {
  const rules = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const keep = line.startsWith('!');
      const pattern = line.replace(/^!/, '').replace(/\/$/, '');
      const anchored = pattern.includes('/');
      return { keep, anchored, glob: pattern.replace(/^\//, '') };
    });
  return (path) => {
    const names = path.split('/');
    let ignored = false;
    for (const { keep, anchored, glob } of rules) {
      const hit = anchored
        ? matchesGlob(glob, path, { folders: true })
        : names.some((name) => matchesGlob(glob, name));
      if (hit) ignored = !keep;
    }
    return ignored;
  };
}
