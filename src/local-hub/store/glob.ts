/** A piece of a pattern: text, any character of a name (`?`), any run within a name (`*`), any run at all (`**`). */
type Piece = { readonly literal: string } | 'one' | 'name' | 'any';

/**
 * Whether a path matches a glob of `*`, `**` and `?`; everything else is literal. It keeps the set of places in the pattern
 * that the path so far can lead to, so that the work is at most pattern times path, whatever they are. With `folders` a match
 * of a folder above the path counts as well.
 */
export function matchesGlob(pattern: string, path: string, { folders = false } = {}): boolean {
  if (!/[*?]/.test(pattern)) return path === pattern || (folders && path.startsWith(`${pattern}/`));
  const pieces = piecesOf(pattern);
  let places = new Uint8Array(pieces.length + 1);
  let next = new Uint8Array(pieces.length + 1);
  places[0] = 1;
  skipRuns(pieces, places);
  for (const character of path) {
    if (folders && character === '/' && places[pieces.length] === 1) return true;
    next.fill(0);
    let alive = false;
    for (let at = 0; at < pieces.length; at += 1) {
      if (places[at] === 0) continue;
      const piece = pieces[at];
      if (piece === 'any' || (piece === 'name' && character !== '/')) next[at] = 1;
      else if (piece === 'one' ? character !== '/' : typeof piece === 'object' && piece.literal === character)
        next[at + 1] = 1;
      else continue;
      alive = true;
    }
    if (!alive) return false;
    skipRuns(pieces, next);
    [places, next] = [next, places];
  }
  return places[pieces.length] === 1;
}

/** A run may be empty: whoever stands before it stands behind it as well. */
function skipRuns(pieces: readonly Piece[], places: Uint8Array): void {
  for (let at = 0; at < pieces.length; at += 1)
    if (places[at] === 1 && (pieces[at] === 'name' || pieces[at] === 'any')) places[at + 1] = 1;
}

function piecesOf(pattern: string): Piece[] {
  return (pattern.match(/\*{2,}\/?|[\s\S]/gu) ?? []).map((part): Piece => {
    if (part.startsWith('**')) return 'any';
    if (part === '*') return 'name';
    return part === '?' ? 'one' : { literal: part };
  });
}
