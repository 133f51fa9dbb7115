import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import sharp from 'sharp';

/** Files of a folder by path: bytes, or text. */
export type Files = Record<string, Uint8Array | string>;

/** Folders for tests, each new; {@link Folders.remove} takes all of them away. */
export class Folders {
  private readonly made: string[] = [];

  async make(files: Files): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'plein-air-folder-'));
    this.made.push(folder);
    for (const [path, content] of Object.entries(files)) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), content);
    }
    return folder;
  }

  async remove(): Promise<void> {
    for (const folder of this.made.splice(0)) await rm(folder, { recursive: true, force: true });
  }
}

/** A small picture of one color per number, as JPEG. */
export async function jpeg(at: number): Promise<Buffer> {
  const background = { r: (at * 71) % 256, g: (at * 37) % 256, b: (at * 151) % 256 };
  return sharp({ create: { width: 40, height: 32, channels: 3, background } })
    .jpeg()
    .toBuffer();
}

/** `0.jpg` to `{count - 1}.jpg`, each below a folder where one is named. */
export async function jpegs(count: number, below = ''): Promise<Files> {
  const files: Files = {};
  for (let at = 0; at < count; at++) files[`${below}${at}.jpg`] = await jpeg(at);
  return files;
}

/** Rows as `metadata.jsonl`. */
export function jsonLines(rows: readonly object[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join('');
}

/** Text in UTF-16 with its byte order mark, as Excel saves it. */
export function utf16(text: string): Buffer {
  return Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text, 'utf16le')]);
}
