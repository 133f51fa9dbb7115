import { stringify } from 'yaml';
import type { RepoId } from '../../domain/refs.ts';
import { LICENSE_FILE, type License, noticeMarkdown, noticeOf } from '../../domain/release/license.ts';
import { code } from '../render/markdown.ts';

/** License fields of a card; the link is to the copy beside it. */
export function licenseFields(license: License): Record<string, string> {
  if (license.family === 'permissive') return { license: license.name };
  if (license.yaml.license !== 'other') return { license: license.yaml.license };
  const name = license.yaml.license_name ?? license.name.toLowerCase().replaceAll(/[^a-z0-9.]+/g, '-');
  return {
    license: 'other',
    license_name: name,
    ...(license.file === null ? {} : { license_link: LICENSE_FILE }),
  };
}

/** README.md, NOTICE and the license of a run's own repositories: adapters lie there, too, long before one is released. */
export function runNotices(p: {
  base: RepoId;
  license: License;
  /** The license's text; null: none is known. */
  text: string | null;
  run: string;
  /** `checkpoints` or `records`. */
  holds: string;
}): { path: string; content: string }[] {
  const header = {
    ...licenseFields(p.license),
    ...(p.holds === 'checkpoints' ? { base_model: p.base, base_model_relation: 'adapter' } : {}),
    tags: ['plein-air', p.holds],
  };
  const text = [
    `# ${p.holds === 'checkpoints' ? 'Checkpoints' : 'Records'} of run ${p.run}`,
    `Kept by Plein Air for itself; what is meant to be used is in the model’s release repository. Adapters in here are low-rank updates of ${code(p.base)}.`,
    `${noticeMarkdown(p.license, p.base)}\n`,
  ];
  return [
    { path: 'README.md', content: `---\n${stringify(header, { lineWidth: 0 })}---\n\n${text.join('\n\n')}` },
    { path: 'NOTICE', content: `${noticeOf(p.license, p.base)}\n` },
    ...(p.text === null ? [] : [{ path: LICENSE_FILE, content: p.text }]),
  ];
}
