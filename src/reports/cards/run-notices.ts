import { stringify } from 'yaml';
import type { RepoId } from '../../domain/refs.ts';
import { licenseFor } from '../../domain/release/licenses.ts';
import { code } from '../render/markdown.ts';

/** What `NOTICE` says wherever something made from a base lies: that it was modified, and the license's own words. */
export function noticeText(baseRepo: string): string {
  const { modification, notice } = licenseFor(baseRepo);
  return `${[modification, notice].filter((text) => text !== '').join('\n\n')}\n`;
}

/** README.md and NOTICE of a run's own repositories: adapters lie there, too, long before one is released. */
export function runNotices(p: {
  base: RepoId;
  run: string;
  /** `checkpoints` or `records`. */
  holds: string;
}): { path: string; content: string }[] {
  const header = {
    ...licenseFor(p.base).yaml,
    ...(p.holds === 'checkpoints' ? { base_model: p.base, base_model_relation: 'adapter' } : {}),
    tags: ['plein-air', p.holds],
  };
  const text = [
    `# ${p.holds === 'checkpoints' ? 'Checkpoints' : 'Records'} of run ${p.run}`,
    `Kept by Plein Air for itself; what is meant to be used is in the model’s release repository. Adapters in here are low-rank updates of ${code(p.base)}.`,
    noticeText(p.base),
  ];
  return [
    { path: 'README.md', content: `---\n${stringify(header, { lineWidth: 0 })}---\n\n${text.join('\n\n')}` },
    { path: 'NOTICE', content: noticeText(p.base) },
  ];
}
