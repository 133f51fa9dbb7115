import { isMap, isScalar, parseDocument, visit } from 'yaml';

/** Most characters of JSON that the metadata of one card may become; aliases repeat what they name. */
const LARGEST_JSON = 1024 * 1024;

/** Parsed front matter as JSON text, or what is wrong with it. */
export type ParsedYaml = { readonly json: string } | { readonly problem: string };

/** Parses front matter, which must be a mapping whose keys differ. Its work may be more than linear: run it aside, with a limit. */
export function parseYaml(yaml: string): ParsedYaml {
  try {
    // The parser's own check compares every key with every other.
    const document = parseDocument(yaml, { uniqueKeys: false, strict: true });
    const [error] = document.errors;
    if (error) return { problem: error.message };
    const twice = repeatedKey(document);
    if (twice !== undefined) return { problem: `Expected each key once, got ${JSON.stringify(twice)} twice` };
    const data: unknown = document.toJS({ maxAliasCount: 20 });
    if (data === null) return { json: '{}' };
    if (typeof data !== 'object' || Array.isArray(data))
      return { problem: 'Expected a mapping as the card metadata' };
    const json = JSON.stringify(data);
    return json.length > LARGEST_JSON ? { problem: 'Expected less card metadata' } : { json };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : 'Expected YAML' };
  }
}

function repeatedKey(document: Parameters<typeof visit>[0]): string | undefined {
  let found: string | undefined;
  visit(document, {
    Map(_key, map) {
      const seen = new Set<unknown>();
      if (!isMap(map)) return undefined;
      for (const { key } of map.items) {
        if (!isScalar(key)) continue;
        if (seen.has(key.value)) {
          found = String(key.value);
          return visit.BREAK;
        }
        seen.add(key.value);
      }
      return undefined;
    },
  });
  return found;
}
