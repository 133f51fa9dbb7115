import { z } from 'zod';
import type { Exchange } from '../http/exchange.ts';
import type { Hub } from '../hub.ts';
import { RepoType } from '../store/repo.ts';

const Request = z.object({ content: z.string(), repoType: RepoType.nullish() });

/** POST /api/validate-yaml: what is wrong with a card's front matter; clients ask before they commit a README. */
export async function validateYaml(hub: Hub, exchange: Exchange): Promise<void> {
  const { content, repoType } = await exchange.body(Request);
  const problems = await hub.cards.problems(content, repoType ?? 'model');
  const errors = problems.map((message) => ({ message }));
  const warnings = hub.cards.hasFrontMatter(content)
    ? []
    : [{ message: 'empty or missing yaml metadata in repo card' }];
  exchange.json({ errors, warnings }, errors.length > 0 ? 400 : 200);
}
