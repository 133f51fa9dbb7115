import { z } from 'zod';

/** How far the training captions cover a prompt that the model will be judged by. */
export const PromptCoverage = z.strictObject({
  prompt: z.string(),
  /** Content words of the prompt that occur in some caption, and those that occur in none. */
  known: z.array(z.string()),
  unknown: z.array(z.string()),
  /** Training pictures whose caption shares a content word with the prompt. */
  pictures: z.int(),
});
export type PromptCoverage = z.infer<typeof PromptCoverage>;

/** Words without content, and those that every caption of a painting has. */
const EMPTY = new Set(
  'a an the of in on at with and by to from its it is are over under between into painting plnr one two'.split(
    ' ',
  ),
);

/** Coverage of each prompt by the captions, word by word; plural and singular count as one. */
export function promptCoverage(
  prompts: readonly string[],
  captions: readonly string[],
  trigger: string,
): PromptCoverage[] {
  const counts = new Map<string, number>();
  for (const caption of captions) counts.set(caption, (counts.get(caption) ?? 0) + 1);
  const captionWords = [...counts].map(([caption, count]) => ({
    words: new Set(contentWords(caption.replace(trigger, ''))),
    count,
  }));
  const all = new Set(captionWords.flatMap(({ words }) => [...words]));
  return prompts.map((prompt) => {
    const words = [...new Set(contentWords(prompt.replace(trigger, '')))];
    const known = words.filter((word) => all.has(word));
    return {
      prompt,
      known,
      unknown: words.filter((word) => !all.has(word)),
      pictures: captionWords
        .filter(({ words: own }) => known.some((word) => own.has(word)))
        .reduce((sum, { count }) => sum + count, 0),
    };
  });
}

function contentWords(text: string): string[] {
  return (text.toLowerCase().match(/[a-z]+/g) ?? [])
    .filter((word) => !EMPTY.has(word))
    .map((word) =>
      word.length > 3 && word.endsWith('s') && !word.endsWith('ss') ? word.slice(0, -1) : word,
    );
}
