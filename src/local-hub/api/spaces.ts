import { z } from 'zod';
import { requireWrite } from '../http/access.ts';
import { HubError } from '../http/errors.ts';
import type { Exchange } from '../http/exchange.ts';
import type { Hub } from '../hub.ts';
import type { SpaceState } from '../spaces/space-runner.ts';
import type { Repo, RepoRecord } from '../store/repo.ts';

const KeyValue = z.object({
  key: z.string().regex(/^[A-Za-z_]\w*$/),
  value: z.string(),
  description: z.string().nullish(),
});
const Key = z.object({ key: z.string() });

/** A Space's state as the runtime endpoint shows it; without a runner every app is STOPPED. */
export function describeRuntime(hub: Hub, repo: Repo, exchange?: Exchange): Record<string, unknown> {
  const { hardware, requestedHardware, sleepTime, paused } = repo.record;
  const state = hub.spaces?.state(repo);
  const stage = paused ? 'PAUSED' : (state?.stage ?? 'STOPPED');
  // A Hub without a runner offers no hardware of itself: that is how clients tell "stopped" from "never run here".
  const requested = requestedHardware ?? (hub.spaces === undefined ? null : hardware);
  return {
    stage,
    sha: state?.sha ?? null,
    ...(state?.error === undefined ? {} : { errorMessage: errorOf(state, exchange) }),
    hardware: { current: stage === 'RUNNING' ? hardware : null, requested },
    storage: null,
    gcTimeout: sleepTime ?? null,
    replicas: { current: stage === 'RUNNING' ? 1 : 0, requested: 1 },
    ...(state?.url === undefined ? {} : { domains: [{ domain: new URL(state.url).host, stage: 'READY' }] }),
  };
}

/** Why an app does not run; what it printed may hold its secrets and is for those who may write. */
function errorOf({ error = '', log }: SpaceState, exchange: Exchange | undefined): string {
  if (exchange?.identity?.role !== 'write' || log.length === 0) return error;
  return `${error} Its last words:\n${log.slice(-20).join('\n')}`;
}

/** Where a Space's app answers, in the fields that Gradio's clients read. */
export function describeHost(hub: Hub, repo: Repo): { host?: string; subdomain: string } {
  const url = hub.spaces?.state(repo).url;
  return {
    subdomain: repo.id.replace(/[/._]/g, '-').toLowerCase(),
    ...(url === undefined ? {} : { host: url }),
  };
}

/** GET host. */
export function spaceHost(hub: Hub, exchange: Exchange, repo: Repo): void {
  requireSpace(repo);
  exchange.json(describeHost(hub, repo));
}

/** GET logs/run: what the app printed lately, as server-sent events. */
export function spaceLogs(hub: Hub, exchange: Exchange, repo: Repo): void {
  requireSpace(repo);
  requireWrite(exchange);
  const timestamp = new Date().toISOString();
  const lines = hub.spaces?.state(repo).log ?? [];
  const text = lines.map((line) => `data: ${JSON.stringify({ data: `${line}\n`, timestamp })}\n\n`).join('');
  exchange.text('text/event-stream', text, { 'Cache-Control': 'no-store' });
}

function requireSpace(repo: Repo): void {
  if (repo.type !== 'space') throw new HubError(404, `Expected a Space, ${repo.id} is a ${repo.type}`);
}

/** GET, POST and DELETE of secrets and variables; a secret's value is never sent back. */
export async function spaceKeys(
  hub: Hub,
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
  if (exchange.method !== 'GET' && exchange.method !== 'HEAD') hub.spaces?.refresh(repo);
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
  exchange.json(describeRuntime(hub, repo, exchange));
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
  if (verb === 'pause' || verb === 'restart') hub.spaces?.refresh(repo);
  exchange.json(describeRuntime(hub, repo, exchange));
}
