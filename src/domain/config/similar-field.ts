/** Most edits between a field's name and what was written for it. */
const MAX_EDITS = 3;

/** The field that was probably meant by one that is unknown, of all known ones; null: none is near. */
export function similarField(written: string, known: readonly string[]): string | null {
  const last = nameOf(written);
  // The right name in the wrong place, or without its place: `steps` for `training.steps`.
  const elsewhere = known.filter((field) => nameOf(field) === last);
  if (elsewhere.length === 1) return elsewhere[0] ?? null;
  const near = known
    .map((field) => ({ field, edits: editsBetween(written.toLowerCase(), field.toLowerCase()) }))
    .filter(({ field, edits }) => edits <= Math.min(MAX_EDITS, Math.ceil(nameOf(field).length / 3)))
    .toSorted((a, b) => a.edits - b.edits);
  return near[0]?.field ?? null;
}

/** Every field of a configuration, groups included, by its path. */
export function fieldsOf(value: unknown, at = ''): string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [];
  return Object.entries(value).flatMap(([name, inner]) => {
    const path = at === '' ? name : `${at}.${name}`;
    return [path, ...fieldsOf(inner, path)];
  });
}

const nameOf = (path: string) => path.slice(path.lastIndexOf('.') + 1);

/** Letters put in, left out, changed or swapped with their neighbor. */
function editsBetween(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, i) => i)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      const at = (r: number, c: number) => rows[r]?.[c] ?? Number.POSITIVE_INFINITY;
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row.push(
        Math.min(
          at(i - 1, j) + 1,
          (row[j - 1] ?? 0) + 1,
          at(i - 1, j - 1) + (same ? 0 : 1),
          swapped ? at(i - 2, j - 2) + 1 : Number.POSITIVE_INFINITY,
        ),
      );
    }
    rows.push(row);
  }
  return rows[a.length]?.[b.length] ?? Number.POSITIVE_INFINITY;
}
