/** A TypeScript file of `src`, by its path from the root. */
export interface SourceFile {
  path: string;
  text: string;
}
export declare function roomsOf(architecture: string): Map<string, string[]>;
export declare function problemsOf(rooms: Map<string, string[]>, files: SourceFile[]): string[];
export declare function sources(folder?: string): SourceFile[];
export declare function table(): Map<string, string[]>;
