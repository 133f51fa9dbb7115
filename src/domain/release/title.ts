/** A picture of a release with the prompt it was made from. */
export interface ReleaseSample {
  /** Path in the release, such as `images/landscape-01-s0.png`. */
  path: string;
  prompt: string;
}

/** "impressionist-v2" as a title for people: "Impressionist V2". */
export function titleOf(model: string): string {
  return model.replaceAll(
    /(^|-)([a-z0-9])/g,
    (_, dash: string, letter: string) => (dash === '' ? '' : ' ') + letter.toUpperCase(),
  );
}
