import { z } from 'zod';
import { requireWrite } from '../http/access.ts';
import type { Exchange } from '../http/exchange.ts';
import type { Repo } from '../store/repo.ts';
import { Visibility, wantsPrivate } from './repos.ts';

const Request = z.object({
  private: z.boolean().nullish(),
  visibility: Visibility.nullish(),
  gated: z.union([z.literal(false), z.enum(['auto', 'manual'])]).nullish(),
  discussionsDisabled: z.boolean().nullish(),
});

/** PUT settings: who may see a repo. */
export async function changeSettings(exchange: Exchange, repo: Repo): Promise<void> {
  requireWrite(exchange);
  const { private: hidden, visibility, gated, discussionsDisabled } = await exchange.body(Request);
  const wanted = wantsPrivate({ private: hidden, visibility });
  await repo.exclusively(() =>
    repo.update({
      ...(wanted === undefined ? {} : { private: wanted }),
      ...(gated == null ? {} : { gated }),
      ...(discussionsDisabled == null ? {} : { discussionsDisabled }),
    }),
  );
  exchange.json({ private: repo.record.private, gated: repo.record.gated });
}
