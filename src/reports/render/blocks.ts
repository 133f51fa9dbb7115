/** A run of text inside a block; plain strings are text from outside and always escaped. */
export type Inline =
  | string
  | { code: string }
  | { strong: string }
  | { link: string; href: string }
  /** A word with a color of its own: verdicts and statuses. */
  | { mark: string; tone: Tone };
export type Rich = Inline | Inline[];
export type Tone = 'good' | 'bad' | 'unsure' | 'quiet';

/** A raster picture with its bytes; `file` is where the Markdown finds it, relative to the report. */
export interface Picture {
  bytes: Buffer;
  mime: 'image/png' | 'image/webp' | 'image/jpeg';
  width: number;
  height: number;
  alt: string;
  file: string;
  /** The stored record that it was made from; null: it has none of its own. */
  href: string | null;
}

/** The same prompt and seeds painted by base and candidate, and by what is in production where there is such. */
export interface PairedSamples {
  prompt: string;
  pairs: { seed: number; base: Picture | null; candidate: Picture | null; production?: Picture | null }[];
}

/** What a report is made of: one list, two renderings. */
export type Block =
  | { kind: 'paragraph'; text: Rich; lead?: boolean }
  | { kind: 'list'; items: Rich[] }
  | { kind: 'facts'; items: [term: string, value: Rich][] }
  | { kind: 'table'; head: string[]; rows: Rich[][]; right?: number[]; caption?: Rich }
  | { kind: 'plot'; svg: string; alt: string; caption: Rich; file: string }
  | { kind: 'picture'; picture: Picture; caption: Rich }
  | { kind: 'samples'; samples: PairedSamples[]; caption: Rich; grid: string | null }
  | { kind: 'strips'; pictures: { picture: Picture; caption: string }[]; caption: Rich }
  | { kind: 'gallery'; pictures: { picture: Picture; caption: Rich }[]; caption: Rich };

export interface Section {
  id: string;
  title: string;
  /** Where the section's figures come from. */
  source: Rich | null;
  blocks: Block[];
}

export interface ReportDocument {
  title: string;
  subtitle: string;
  /** The outcome in one word, and a sentence on it. */
  outcome: { word: string; tone: Tone; sentence: string };
  facts: [term: string, value: Rich][];
  sections: Section[];
  footer: Rich;
}
