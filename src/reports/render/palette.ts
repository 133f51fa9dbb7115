/** Colors of plots and pages: paper, ink and three pigments; all readable on both light and dark ground. */
export const PIGMENTS = {
  ultramarine: '#4a6fb3',
  ochre: '#c2882b',
  viridian: '#4f8f75',
  madder: '#b5503f',
  stone: '#8b857a',
} as const;

/** Serif for headings, as in a catalog; system fonts only, nothing is loaded. */
export const SERIF = "'Iowan Old Style', 'Palatino Linotype', Palatino, Georgia, 'DejaVu Serif', serif";
/** Text and figures. */
export const SANS = "-apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'DejaVu Sans', Arial, sans-serif";
