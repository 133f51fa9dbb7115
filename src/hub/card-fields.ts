import { parse } from 'yaml';

/** Fields of a repository card's front matter; none where there is no such block or it is no YAML map. */
export function cardFields(card: string): Record<string, unknown> {
  const front = /^---\r?\n([\s\S]*?)\r?\n---/.exec(card)?.[1] ?? '';
  try {
    const fields: unknown = parse(front);
    return typeof fields === 'object' && fields !== null && !Array.isArray(fields) ? { ...fields } : {};
  } catch {
    return {};
  }
}
