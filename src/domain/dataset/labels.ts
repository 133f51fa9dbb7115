/** A label as it is compared: `Post Impressionism`, ` post_impressionism` and `POST-IMPRESSIONISM` are one. */
export function foldLabel(label: string): string {
  return label
    .normalize('NFKC')
    .trim()
    .toLowerCase()
    .replaceAll(/[\s_-]+/g, '_');
}

/** Labels with one spelling each: that of `wanted` for its own, else the first one met. */
export function oneSpelling(wanted: string): (label: string) => string {
  const spellings = new Map([[foldLabel(wanted), wanted]]);
  return (label) => {
    const folded = foldLabel(label);
    if (folded === '') return '';
    const known = spellings.get(folded);
    if (known === undefined) spellings.set(folded, label.trim());
    return known ?? label.trim();
  };
}

/** Labels under which sources file pictures whose painter is not known, folded. */
const NO_ARTIST =
  /^(?:|\?+|-+|n\/?a|none|null|nan|various|various_artists|(?:unknown|anonymous|anon|unidentified|unbekannt|inconnu)(?:_.*)?)$/;

/** Whether a label names no artist: such pictures are neither capped nor held out as one painter's. */
export function isUnknownArtist(artist: string): boolean {
  return NO_ARTIST.test(foldLabel(artist).replace(/\.$/, '').replaceAll(/_+$/g, ''));
}

/** Words of genres whose pictures must not be mirrored: faces and writing have a side. */
const SIDED = /^(?:self_)?portrait|^nude|^religious|^illustration/;

/** Whether pictures of a genre have a side, however the genre is spelled. */
export function isSidedGenre(genre: string): boolean {
  return SIDED.test(foldLabel(genre));
}
