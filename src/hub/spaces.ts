import { z } from 'zod';
import { CommitSha, type RepoId } from '../domain/refs.ts';
import { authorized, type Connection } from './connection.ts';
import { HubFailure } from './hub-failure.ts';

/** A Space's app as the Hub sees it. */
export interface SpaceRuntime {
  /** `RUNNING`, `BUILDING`, `RUNTIME_ERROR`, …: the Hub's own words. */
  stage: string;
  /** Commit that runs or is being built; null: the Hub does not say. */
  commit: CommitSha | null;
  error: string | null;
  /** Hardware that was asked for; null: this Hub runs no Spaces. */
  hardware: string | null;
}

const Runtime = z.object({
  stage: z.string(),
  sha: CommitSha.nullish().catch(null),
  errorMessage: z.string().nullish(),
  hardware: z.object({ requested: z.string().nullish() }).nullish(),
});
const Host = z.object({ host: z.string().nullish() });

function api(hub: Connection, space: RepoId, verb: string): string {
  return `${hub.endpoint}/api/spaces/${space}/${verb}`;
}

/** State of a Space's app; null where there is no such Space. */
export async function spaceRuntime(hub: Connection, space: RepoId): Promise<SpaceRuntime | null> {
  try {
    const response = await hub.transport.fetch(api(hub, space, 'runtime'), { headers: authorized(hub) });
    const { stage, sha, errorMessage, hardware } = Runtime.parse(await response.json());
    return {
      stage,
      commit: sha ?? null,
      error: errorMessage ?? null,
      hardware: hardware?.requested ?? null,
    };
  } catch (error) {
    if (error instanceof HubFailure && error.status === 404) return null;
    throw error;
  }
}

/** Address at which a Space's app answers; null: nowhere now. */
export async function spaceHost(hub: Connection, space: RepoId): Promise<string | null> {
  const response = await hub.transport.fetch(api(hub, space, 'host'), { headers: authorized(hub) });
  return Host.parse(await response.json()).host ?? null;
}

/** Asks for hardware; the Hub moves the app there by itself. */
export async function requestHardware(hub: Connection, space: RepoId, flavor: string): Promise<void> {
  await post(hub, api(hub, space, 'hardware'), { flavor });
}

/** Sets a value that only the app can read. */
export async function setSpaceSecret(
  hub: Connection,
  space: RepoId,
  { key, value }: { key: string; value: string },
): Promise<void> {
  await post(hub, api(hub, space, 'secrets'), { key, value });
}

/** Starts a stopped, sleeping or paused Space. */
export async function restartSpace(hub: Connection, space: RepoId): Promise<void> {
  await post(hub, api(hub, space, 'restart'), {});
}

/** Names of a Space's secrets; their values never come back. */
export async function spaceSecrets(hub: Connection, space: RepoId): Promise<string[]> {
  const response = await hub.transport.fetch(api(hub, space, 'secrets'), { headers: authorized(hub) });
  return Object.keys(z.record(z.string(), z.unknown()).parse(await response.json()));
}

async function post(hub: Connection, url: string, body: object): Promise<void> {
  await hub.transport.fetch(url, {
    method: 'POST',
    headers: authorized(hub, { 'content-type': 'application/json' }),
    body: JSON.stringify(body),
  });
}
