import sharp from 'sharp';
import { PipelineError } from '../../domain/errors.ts';
import { CommitSha, type RepoRef } from '../../domain/refs.ts';
import type { Hub } from '../../hub/hub.ts';
import type { StudioContext } from '../access/guard.ts';

/** Widths that pages ask for; any other would be work for strangers to order. */
const WIDTHS = new Set(['256', '384', '1024']);
const MAX_BYTES = 32 * 2 ** 20;
const TYPES: Record<string, string> = { png: 'image/png', webp: 'image/webp', jpeg: 'image/jpeg' };
/** Kinds of path that are images of a run or a model. */
const IMAGE = /^(?:[\w-]+\/){0,3}[\w.-]+\.(?:png|webp|jpg|jpeg)$/;

/** Small images made a moment ago, up to so many bytes: pages of several people ask for the same ones. */
const MAX_KEPT = 32 * 2 ** 20;

/** Passes on images of one repository at one commit, in smaller copies where a page wants them; the browser never sees the Hub. */
export function createImageProxy(hub: Hub) {
  const kept = new Map<string, Buffer>();
  let bytesKept = 0;
  const keep = (key: string, bytes: Buffer) => {
    kept.set(key, bytes);
    bytesKept += bytes.length;
    for (const [old, content] of kept) {
      if (bytesKept <= MAX_KEPT) break;
      kept.delete(old);
      bytesKept -= content.length;
    }
  };

  return async (c: StudioContext, p: { repo: RepoRef; commit: string; path: string }): Promise<Response> => {
    const { repo, path } = p;
    const commit = CommitSha.safeParse(p.commit);
    const width = c.req.query('w');
    if (
      !commit.success ||
      !IMAGE.test(path) ||
      path.includes('..') ||
      (width !== undefined && !WIDTHS.has(width))
    )
      return c.text('Expected the address of an image as a page of Studio has it\n', 404);
    const key = `${repo.type} ${repo.repo} ${commit.data} ${path} ${width}`;
    let bytes = kept.get(key);
    if (bytes === undefined) {
      const stat = await hub.stat(repo, commit.data, path);
      if (stat === null) return c.text('There is no such image\n', 404);
      if (stat.bytes > MAX_BYTES)
        throw new PipelineError(
          'BadData',
          `expected an image of at most ${MAX_BYTES} bytes, got ${stat.bytes} in ${path}`,
        );
      const whole = await hub.read(repo, commit.data, path);
      if (whole === null) return c.text('There is no such image\n', 404);
      bytes = width === undefined ? whole : await smaller(whole, Number(width));
      if (width !== undefined) keep(key, bytes);
    }
    const type =
      TYPES[
        (
          await sharp(bytes)
            .metadata()
            .catch(() => ({ format: undefined }))
        ).format ?? ''
      ];
    if (type === undefined) return c.text('Expected a PNG, WebP or JPEG, got something else\n', 415);
    c.header('cache-control', 'private, max-age=31536000, immutable');
    return c.body(new Uint8Array(bytes), 200, { 'content-type': type });
  };
}

function smaller(bytes: Buffer, width: number): Promise<Buffer> {
  return sharp(bytes).resize({ width, withoutEnlargement: true }).webp({ quality: 86 }).toBuffer();
}
