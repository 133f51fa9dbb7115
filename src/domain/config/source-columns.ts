import { z } from 'zod';

const Column = z.string().min(1).max(200);

/** Columns of a source that hold its pictures and what is said of them. */
export const SourceColumns = z
  .strictObject({
    /** Encoded pictures: bytes, or `datasets`' struct of bytes and path. */
    image: Column.default('image'),
    /** Styles; null: every picture is of `dataset.style`. */
    style: Column.nullable().default('style'),
    /** Artists, where there are any. */
    artist: Column.default('artist'),
    /** Genres, where there are any. */
    genre: Column.default('genre'),
    /** Captions; null: the first of `caption`, `text` and `prompt` that is there. */
    caption: Column.nullable().default(null),
  })
  .prefault({});
export type SourceColumns = z.infer<typeof SourceColumns>;
