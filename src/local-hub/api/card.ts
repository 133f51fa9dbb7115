import { parse as parseYaml } from 'yaml';

/** Splits a card into its YAML head and its text; a head that does not parse counts as none. */
export function splitCard(card: string): { data: Record<string, unknown>; text: string } {
  const match = /^---\r?\n([\s\S]*?)\r?\n---\r?(?:\n|$)/.exec(card);
  if (!match) return { data: {}, text: card };
  try {
    const data: unknown = parseYaml(match[1] ?? '', { maxAliasCount: 20 });
    const isRecord = typeof data === 'object' && data !== null && !Array.isArray(data);
    return { data: isRecord ? (data as Record<string, unknown>) : {}, text: card.slice(match[0].length) };
  } catch {
    return { data: {}, text: card.slice(match[0].length) };
  }
}
