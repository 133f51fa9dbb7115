/** Finds the picture that a row of a metadata file names, in whatever spelling. */
export class PictureNames {
  private readonly exact: ReadonlySet<string>;
  private readonly folded = new Map<string, string[]>();

  constructor(paths: readonly string[]) {
    this.exact = new Set(paths);
    for (const path of paths) {
      const key = fold(path);
      this.folded.set(key, [...(this.folded.get(key) ?? []), path]);
    }
  }

  /** The picture that a name means, seen from the metadata file's folder or from the top; else why there is none. */
  find(name: string, folder: string): { path: string } | { problem: string } {
    const plain = normalized(name);
    if (plain === null) return { problem: `expected a path inside the folder, got ${JSON.stringify(name)}` };
    const places = folder === '' ? [plain] : [`${folder}/${plain}`, plain];
    for (const place of places) if (this.exact.has(place)) return { path: place };
    for (const place of places) {
      const alike = this.folded.get(fold(place)) ?? [];
      if (alike.length === 1) return { path: alike[0] as string };
      if (alike.length > 1)
        return {
          problem: `expected one picture, got ${alike.length} whose names differ only in case or accents: ${alike.join(', ')}`,
        };
    }
    return { problem: `expected a picture at ${places[0]}, got none` };
  }
}

/** A path with forward slashes, without `./` and doubled slashes; null when it leads out of the folder. */
function normalized(name: string): string | null {
  const parts: string[] = [];
  for (const part of name.trim().replaceAll('\\', '/').split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..' || /^[a-zA-Z]:$/.test(part)) return null;
    parts.push(part);
  }
  return parts.length === 0 ? null : parts.join('/');
}

function fold(path: string): string {
  return path.normalize('NFC').toLowerCase();
}
