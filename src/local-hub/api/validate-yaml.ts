import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import type { Exchange } from '../http/exchange.ts';

const Request = z.object({ content: z.string(), repoType: z.string().nullish() });

/** POST /api/validate-yaml: whether a card's head is a YAML mapping; clients ask before they commit a README. */
export async function validateYaml(exchange: Exchange): Promise<void> {
  const { content } = await exchange.body(Request);
  const head = /^---\r?\n([\s\S]*?)\r?\n---/.exec(content)?.[1];
  const errors: { message: string }[] = [];
  const warnings: { message: string }[] = [];
  if (head === undefined) warnings.push({ message: 'empty or missing yaml metadata in repo card' });
  else {
    try {
      const data: unknown = parseYaml(head, { maxAliasCount: 20 });
      if (typeof data !== 'object' || Array.isArray(data))
        errors.push({ message: 'Expected a mapping as the card metadata' });
    } catch (error) {
      errors.push({ message: error instanceof Error ? error.message : 'Expected YAML' });
    }
  }
  exchange.json({ errors, warnings }, errors.length > 0 ? 400 : 200);
}
