import type { RunResult } from '../domain/run/run-result.ts';
import pc from './colors.ts';

/** How a run ended, for people: the verdict with its reasons, and what was released. */
export function outcomeLines({ verdict, gate, release }: RunResult, hubUrl: string): string[] {
  return [
    `verdict   ${verdict === 'PASS' ? pc.green('PASS') : pc.red(verdict ?? 'none')}`,
    ...(gate?.reasons ?? []).map((reason) => pc.dim(`          ${reason}`)),
    release === null
      ? 'release   nothing was released, production is untouched'
      : `release   ${hubUrl}/${release.release.repo} ${release.release.tag}`,
  ];
}
