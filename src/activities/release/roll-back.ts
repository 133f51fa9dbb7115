import { randomUUID } from 'node:crypto';
import { PipelineError } from '../../domain/errors.ts';
import type { PipelineActivities } from '../../domain/run/activities.ts';
import type { Hub } from '../../hub/hub.ts';
import { PREVIOUS, releaseRepo, tagAt } from '../../releases/catalog.ts';
import { promote } from '../../releases/promote.ts';

/** What a rollback needs besides its request. */
export interface RollBackDeps {
  hub: Hub;
  /** Names this operation, the same for every attempt at it; default: a new one each call. */
  operationId?: () => string;
  onStep?: (step: string) => void;
  now?: () => number;
  /** Token that may read, for private Spaces; default: none. */
  spaceToken?: string | null;
  signal?: () => AbortSignal | undefined;
}

/**
 * Puts a release back into production, or the one that was there before; seconds, nothing is trained or uploaded anew.
 * What it replaces becomes `previous`, so that a second rollback without a tag undoes the first.
 */
export function createRollBack(deps: RollBackDeps): PipelineActivities['rollBack'] {
  const { hub, operationId = randomUUID, onStep = () => undefined, now = Date.now } = deps;
  return async ({ release, space, toTag, reason, by }) => {
    if ((await hub.resolve(releaseRepo(release), 'main')) === null)
      throw new PipelineError(
        'BadData',
        `Expected releases in ${release}, got no such repository: nothing was released yet`,
      );
    return promote({
      hub,
      release,
      space,
      id: `rollback-${operationId()}`,
      action: 'rollback',
      choose: async (production) => toTag ?? (await previousRelease(hub, release, production)),
      by: by ?? 'rollback',
      reason,
      privateSpace: true,
      spaceToken: deps.spaceToken ?? null,
      now,
      onStep,
      signal: deps.signal?.(),
    });
  };
}

async function previousRelease(
  hub: Hub,
  release: Parameters<typeof releaseRepo>[0],
  production: string | null,
): Promise<string> {
  const previous = await tagAt(hub, release, PREVIOUS);
  if (previous !== null && previous !== production) return previous;
  throw new PipelineError(
    'BadData',
    `Expected a release before ${production ?? 'the first one'} in ${release}, got none: name one with "to"`,
  );
}
