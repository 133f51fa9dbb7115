import type { BlobStore } from '../store/blobs.ts';
import { isFolder } from '../store/directories.ts';
import type { CommitRecord, Repo, RepoType } from '../store/repo.ts';
import { locate } from '../store/tree.ts';
import { CardThread, TooCostly } from './card-thread.ts';
import { splitCard, tooLarge } from './front-matter.ts';
import type { CardPlace } from './markdown.ts';
import { problemsOf } from './metadata.ts';
import type { ParsedYaml } from './parse-yaml.ts';

/** Largest card that is read at all, in bytes, and longest text that is rendered, in characters. */
const LIMIT = { bytes: 512 * 1024, rendered: 128 * 1024 };
/** How long a text that took too much time is not tried again. */
const SLOW_MS = 300_000;
/** What the caches hold: cards by their blob, characters of rendered pages. */
const MAX_CACHED = { cards: 5000, pages: 16 * 1024 * 1024 };

/** Metadata of a card; empty where it has none or where they do not parse, and then `problem` says why. */
export interface CardData {
  readonly data: Readonly<Record<string, unknown>>;
  readonly problem?: string;
  /** Whether the card has front matter at all. */
  readonly present: boolean;
  /** Whether it took too much time to read. */
  readonly slow?: true;
}

/** A repo's card. */
export interface Card extends CardData {
  /** What people read, without the front matter. */
  readonly text: string;
  readonly sha256: string;
}

/** Reads, checks and renders cards: parsed in a thread with limits, once for each content. */
export class Cards {
  readonly #blobs: BlobStore;
  readonly #thread = new CardThread();
  readonly #parsed = new Map<string, Promise<CardData>>();
  readonly #pages = new Map<string, string>();
  #pageSize = 0;

  constructor(blobs: BlobStore) {
    this.#blobs = blobs;
  }

  /** The card at a commit; undefined where there is none, or one too large to be read. */
  async read(repo: Repo, commit: CommitRecord): Promise<Card | undefined> {
    const found = await this.#locate(repo, commit);
    if (!found) return undefined;
    const whole = await this.#text(found.sha256);
    return {
      ...(await this.#dataOf(found.sha256, whole)),
      text: splitCard(whole).text,
      sha256: found.sha256,
    };
  }

  /** The metadata alone, without reading a card whose content was seen before. */
  async data(repo: Repo, commit: CommitRecord): Promise<CardData | undefined> {
    const found = await this.#locate(repo, commit);
    return (
      found && (this.#parsed.get(found.sha256) ?? this.#dataOf(found.sha256, await this.#text(found.sha256)))
    );
  }

  /** Whether a card has front matter. */
  hasFrontMatter(card: string): boolean {
    return splitCard(card).yaml !== undefined;
  }

  /** Everything that is wrong with a card of a repo of this type; none: it may be committed. */
  async problems(card: string, type: RepoType): Promise<string[]> {
    const { data, problem } = await this.#parse(card);
    return problem === undefined ? problemsOf(data, type) : [problem];
  }

  /** A text as HTML that cannot run; undefined where it is too much to render. */
  async render(sha256: string, text: string, place: CardPlace): Promise<string | undefined> {
    if (text.length > LIMIT.rendered) return undefined;
    const key = JSON.stringify([sha256, text.length, place.base, place.revision]);
    const known = this.#pages.get(key);
    if (known !== undefined) return known === '' ? undefined : known;
    const page = await this.#thread.run({ kind: 'markdown', text, place }).then(
      (html) => String(html),
      (error: unknown) => {
        if (error instanceof TooCostly || (error instanceof Error && error.constructor === Error)) return '';
        throw error;
      },
    );
    this.#keep(key, page);
    return page === '' ? undefined : page;
  }

  /** Ends the thread. */
  close(): Promise<void> {
    return this.#thread.close();
  }

  async #locate(repo: Repo, commit: CommitRecord): Promise<{ sha256: string } | undefined> {
    const entry = await locate(repo.objects, commit.tree, ['README.md']);
    return entry && !isFolder(entry) && entry.size <= LIMIT.bytes ? entry : undefined;
  }

  async #text(sha256: string): Promise<string> {
    const chunks: Buffer[] = [];
    for await (const chunk of this.#blobs.read(sha256)) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks).toString('utf8');
  }

  #dataOf(sha256: string, whole: string): Promise<CardData> {
    const known = this.#parsed.get(sha256);
    if (known) return known;
    const parsing = this.#parse(whole);
    this.#parsed.set(sha256, parsing);
    const forget = (): boolean => this.#parsed.delete(sha256);
    // What the text is not to blame for is tried again; a machine may be slow for a while.
    parsing.then(({ slow }) => slow && setTimeout(forget, SLOW_MS).unref(), forget);
    const [oldest] = this.#parsed.keys();
    if (this.#parsed.size > MAX_CACHED.cards && oldest !== undefined) this.#parsed.delete(oldest);
    return parsing;
  }

  async #parse(card: string): Promise<CardData> {
    const { yaml } = splitCard(card);
    if (yaml === undefined) return { data: {}, present: false };
    const refused = (problem: string): CardData => ({ data: {}, present: true, problem });
    const large = tooLarge(yaml);
    if (large !== undefined) return refused(large);
    try {
      const parsed = (await this.#thread.run({ kind: 'yaml', text: yaml })) as ParsedYaml;
      if ('problem' in parsed) return refused(parsed.problem);
      return { data: JSON.parse(parsed.json) as Record<string, unknown>, present: true };
    } catch (error) {
      if (error instanceof TooCostly)
        return {
          ...refused(`Expected card metadata that are read within a second: ${error.message}`),
          slow: true,
        };
      throw error;
    }
  }

  #keep(key: string, page: string): void {
    this.#pages.set(key, page);
    this.#pageSize += key.length + page.length;
    for (const [oldest, held] of this.#pages) {
      if (this.#pageSize <= MAX_CACHED.pages) break;
      this.#pages.delete(oldest);
      this.#pageSize -= oldest.length + held.length;
    }
  }
}
