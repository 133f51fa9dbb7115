import { z } from 'zod';
import { requireWrite } from '../http/access.ts';
import { HubError } from '../http/errors.ts';
import type { Exchange } from '../http/exchange.ts';
import type { Hub } from '../hub.ts';
import type { Repo, RepoRecord } from '../store/repo.ts';

const KeyValue = z.object({
  key: z.string().regex(/^[A-Za-z_]\w*$/),
  value: z.string(),
  description: z.string().nullish(),
});
const Key = z.object({ key: z.string() });

/** A Space's state as the runtime endpoint shows it. */
export function describeRuntime(hub: Hub, repo: Repo): Record<string, unknown> {
  const { hardware, requestedHardware, sleepTime, paused } = repo.record;
  return {
    stage: paused ? 'PAUSED' : (hub.spaceStage?.(repo) ?? 'NO_APP_FILE'),
    hardware: { current: paused ? null : hardware, requested: requestedHardware ?? hardware },
    storage: null,
    gcTimeout: sleepTime ?? null,
    replicas: { current: paused ? 0 : 1, requested: 1 },
    ...(hub.spaceUrl?.(repo) ? { domains: [{ domain: hub.spaceUrl(repo), stage: 'READY' }] } : {}),
  };
}

function requireSpace(repo: Repo): void {
  if (repo.type !== 'space') throw new HubError(404, `Expected a Space, ${repo.id} is a ${repo.type}`);
}

/** GET, POST and DELETE of secrets and variables; a secret's value is never sent back. */
export async function spaceKeys(
  exchange: Exchange,
  repo: Repo,
  kind: 'secrets' | 'variables',
): Promise<void> {
  requireSpace(repo);
  requireWrite(exchange);
  if (exchange.method === 'POST') {
    const { key, value, description } = await exchange.body(KeyValue);
    const entry = { value, updatedAt: new Date().toISOString(), ...(description ? { description } : {}) };
    await change(repo, kind, (all) => ({ ...all, [key]: entry }));
  } else if (exchange.method === 'DELETE') {
    const { key } = await exchange.body(Key);
    await change(repo, kind, (all) =>
      Object.fromEntries(Object.entries(all).filter(([name]) => name !== key)),
    );
  }
  const shown = Object.entries(repo.record[kind]).map(([key, { value, description, updatedAt }]) => [
    key,
    { key, description: description ?? null, updatedAt, ...(kind === 'variables' ? { value } : {}) },
  ]);
  exchange.json(Object.fromEntries(shown));
}

async function change(
  repo: Repo,
  kind: 'secrets' | 'variables',
  edit: (all: RepoRecord['secrets']) => RepoRecord['secrets'],
): Promise<void> {
  await repo.exclusively(() => repo.update({ [kind]: edit(repo.record[kind]) }));
}

/** GET runtime. */
export function spaceRuntime(hub: Hub, exchange: Exchange, repo: Repo): void {
  requireSpace(repo);
  exchange.json(describeRuntime(hub, repo));
}

const Hardware = z.object({ flavor: z.string(), sleepTimeSeconds: z.number().nullish() });
const SleepTime = z.object({ seconds: z.number() });

/** POST hardware, sleeptime, pause and restart; each answers with the state it led to. */
export async function changeSpace(hub: Hub, exchange: Exchange, repo: Repo, verb: string): Promise<void> {
  requireSpace(repo);
  requireWrite(exchange);
  const update = async (record: Partial<RepoRecord>): Promise<void> =>
    repo.exclusively(() => repo.update(record));
  if (verb === 'hardware') {
    const { flavor, sleepTimeSeconds } = await exchange.body(Hardware);
    await update({
      hardware: flavor,
      requestedHardware: flavor,
      ...(sleepTimeSeconds == null ? {} : { sleepTime: sleepTimeSeconds }),
    });
  } else if (verb === 'sleeptime') {
    const { seconds } = await exchange.body(SleepTime);
    await update({ sleepTime: seconds });
  } else {
    await update({ paused: verb === 'pause' });
  }
  if (verb === 'pause' || verb === 'restart') await hub.spaceChanged?.(repo, verb);
  exchange.json(describeRuntime(hub, repo));
}
