/** `style` ClassLabel names in the order that huggan/wikiart stores them, so that indices agree. */
export const STYLE_NAMES = [
  'Abstract_Expressionism',
  'Action_painting',
  'Analytical_Cubism',
  'Art_Nouveau',
  'Baroque',
  'Color_Field_Painting',
  'Contemporary_Realism',
  'Cubism',
  'Early_Renaissance',
  'Expressionism',
  'Fauvism',
  'High_Renaissance',
  'Impressionism',
  'Mannerism_Late_Renaissance',
  'Minimalism',
  'Naive_Art_Primitivism',
  'New_Realism',
  'Northern_Renaissance',
  'Pointillism',
  'Pop_Art',
  'Post_Impressionism',
  'Realism',
  'Rococo',
  'Romanticism',
  'Symbolism',
  'Synthetic_Cubism',
  'Ukiyo_e',
] as const;

/** A WikiArt style name. */
export type StyleName = (typeof STYLE_NAMES)[number];

/** `genre` ClassLabel names in the order that huggan/wikiart stores them. */
export const GENRE_NAMES = [
  'abstract_painting',
  'cityscape',
  'genre_painting',
  'illustration',
  'landscape',
  'nude_painting',
  'portrait',
  'religious_painting',
  'sketch_and_study',
  'still_life',
  'Unknown Genre',
] as const;

/** A WikiArt genre name. */
export type GenreName = (typeof GENRE_NAMES)[number];

/** Number of invented artists; every name says that it is generated. */
export const ARTIST_COUNT = 48;

/** `artist` ClassLabel names: 'Unknown Artist' first, as in huggan/wikiart, then invented ones. */
export const ARTIST_NAMES: readonly string[] = [
  'Unknown Artist',
  ...Array.from(
    { length: ARTIST_COUNT },
    (_, index) => `generated-artist-${String(index + 1).padStart(3, '0')}`,
  ),
];
