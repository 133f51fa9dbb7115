/** Words that a caption of a painting must not teach: what it is made as, how, and by whom. All in lower case. */

const MEDIA =
  'painting paintings painted paint paints picture pictures pictured image images imagery photo photos photograph photographs ' +
  'photography drawing drawings drawn sketch sketches sketched illustration illustrations illustrated print prints artwork ' +
  'artworks canvas canvases watercolor watercolors watercolour watercolours oil oils acrylic acrylics gouache tempera pastel ' +
  'pastels charcoal crayon fresco frescoes lithograph lithographs engraving engravings etching etchings woodcut mural murals ' +
  'portrait portraits portraiture depiction depictions rendition rendering renderings rendered portrayal masterpiece masterpieces ' +
  'poster screenshot render cgi';

const LOOKS =
  'painterly stylised stylized impressionistic realistic photorealistic abstract baroque rococo renaissance gothic artistic ' +
  'artistically expressive';

/** What is deleted where it stands: names of media and of looks. */
const DELETED = new Set(`${MEDIA} ${LOOKS}`.split(' '));

/** Currents of art, with any of their endings: "impressionism", "post-impressionist", "cubists". */
const CURRENTS =
  /^(?:(?:post|neo|pre|proto)-?)?(?:impression|expression|cub|real|surreal|symbol|romantic|classic|natural|fauv|pointill|division|lumin|tonal|futur|modern|minimal|orphic|vortic|manner|primitiv)(?:al)?(?:ism|isms|ist|ists|istic)$/;

/** What makes its whole clause one about craft, from the word that leads to it on. */
const CRAFT =
  /^(?:brush(?:ed|es|work|works|stroke|strokes|like)?|strokes?|impasto|palette|palettes|styles?|styled|stylistic|techniques?|medium|artists?|painters?|art|arts|signature|signed|masters?|pigments?|texture|textures|textured|genre|museum|gallery|monogram)$/;

/** Whether a word, in lower case and without marks, is about style, medium or maker. */
export function isOfStyle(word: string): boolean {
  return isDeleted(word) || isOfCraft(word);
}

/** Whether a word is deleted where it stands. */
export function isDeleted(word: string): boolean {
  return DELETED.has(word) || CURRENTS.test(word);
}

/** Whether a word speaks of craft, so that what surrounds it does, too. */
export function isOfCraft(word: string): boolean {
  return CRAFT.test(word);
}

const wordsOf = (text: string): ReadonlySet<string> => new Set(text.split(' '));

/** Words that lead up to a noun: they go when it goes. */
export const LEADING = wordsOf(
  'a an the this that these those his her its their it is are there here we see can be',
);
export const ARTICLES = wordsOf('a an');
/** Words that join what something is to what it shows: they go with "a painting" before them. */
export const LINKS = wordsOf(
  'of depicting depicts depict showing shows show portraying portrays portray featuring features feature capturing captures ' +
    'capture representing represents represent presenting presents present illustrating illustrates containing contains that ' +
    'which is are was were has',
);
/** Words that need something after them, or before them. */
export const JOINTS = wordsOf(
  'of in on by with and or at from for to as after using through into like near over under a an the this that his her its their',
);
/** Words that lead to an aside on craft: "with loose brushstrokes". */
export const ASIDES = wordsOf('with in using by through and as for featuring after of while');
/** Words that cannot begin a clause. */
export const NEVER_FIRST = wordsOf(
  'of by and or but that which is are was were has depicting depicts showing shows',
);

/** Surnames of painters that are words of the language as well: alone they stay. */
export const ORDINARY_SURNAMES = wordsOf(
  'bell bird bishop black blue boat brown bush butler carpenter church cook cross dove drew field fish forest fox friend gates ' +
    'glass gold green grey hand hill house hunt hunter king lake lane light little long love marsh may moon moss north page park ' +
    'parrot peel pine pool potter price rain reed rich rivers rose sand shepherd short silver smith snow stone street summer ' +
    'swan taylor turner walker wall ward water waters weir west white winter wolf wood woods young artist',
);
