import { z } from 'zod';
import { requireWrite } from '../http/access.ts';
import type { Exchange } from '../http/exchange.ts';
import type { Hub } from '../hub.ts';
import { isFolder } from '../store/directories.ts';
import { isDeleted, type Repo } from '../store/repo.ts';
import { splitRepoPath } from '../store/repo-path.ts';
import { locate } from '../store/tree.ts';
import { globToRegExp, uploadMode } from '../store/upload-mode.ts';

const Request = z.object({
  files: z.array(
    z.object({ path: z.string(), size: z.number().int().nonnegative(), sample: z.string().nullish() }),
  ),
  gitAttributes: z.string().nullish(),
  gitIgnore: z.string().nullish(),
});

/** POST preupload/{revision}: how each file should travel, and the id of what the branch holds at its path. */
export async function preupload(hub: Hub, exchange: Exchange, repo: Repo, revision: string): Promise<void> {
  requireWrite(exchange);
  const asked = await exchange.body(Request);
  const { tree } = await repo.commit(await repo.resolve(revision));
  const attributes = asked.gitAttributes ?? (await readText(hub, repo, tree, '.gitattributes'));
  const ignore = ignoredBy(asked.gitIgnore ?? (await readText(hub, repo, tree, '.gitignore')));
  const files = [];
  for (const file of asked.files) {
    const entry = await locate(repo.objects, tree, splitRepoPath(file.path));
    const present = entry && !isFolder(entry) && !(await isDeleted(repo, entry));
    const known = present ? { oid: entry.lfs ? entry.sha256 : entry.oid } : {};
    files.push({
      path: file.path,
      uploadMode: uploadMode(file, attributes),
      shouldIgnore: ignore(file.path),
      ...known,
    });
  }
  exchange.json({ files });
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
      return { keep, anchored, expression: globToRegExp(pattern.replace(/^\//, '')) };
    });
  return (path) => {
    const names = path.split('/');
    let ignored = false;
    for (const { keep, anchored, expression } of rules) {
      const hit = names.some((name, index) =>
        expression.test(anchored ? names.slice(0, index + 1).join('/') : name),
      );
      if (hit) ignored = !keep;
    }
    return ignored;
  };
}
