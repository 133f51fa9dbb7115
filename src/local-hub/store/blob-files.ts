import { access, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** Every file of a folder that is laid out as `ab/cdef…`, with the hash that its name spells. */
export async function* hashedFiles(folder: string): AsyncGenerator<{ oid: string; path: string }> {
  for (const prefix of await readdir(folder).catch(() => [])) {
    for (const rest of await readdir(join(folder, prefix)).catch(() => [])) {
      yield { oid: `${prefix}${rest}`, path: join(folder, prefix, rest) };
    }
  }
}

/** Insists that a folder is a Hub's: a mistyped name must not count as an empty Hub that is in order. */
export async function requireHubFolder(root: string): Promise<void> {
  try {
    await access(join(root, 'signing-key'));
  } catch {
    throw new Error(
      `Expected the folder of a Hub, got ${root}, where none has served yet: check --root, the folder that "plein-air hub serve" was given`,
    );
  }
}
