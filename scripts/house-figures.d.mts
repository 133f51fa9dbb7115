/** Types of house-figures.mjs, for its test. */
interface SourceFile {
  path: string;
  text: string;
}
export const GONE: [RegExp, string][];
export function circlesOf(files: SourceFile[]): string[];
export function placesOf(word: RegExp, files: SourceFile[]): string[];
export function houseFigures(root: string): { problems: string[]; lines: string[] };
