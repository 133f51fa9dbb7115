import {
  CancellationScope,
  condition,
  continueAsNew,
  defineQuery,
  defineSignal,
  getExternalWorkflowHandle,
  isCancellation,
  log,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import {
  FLEET_QUEUE,
  type FleetActivities,
  type FleetRequest,
  type FleetStatus,
  type FleetWatch,
  type Reaped,
  shownOf,
} from '../domain/gpu-source/fleet.ts';
import { fleetNotices, NOTHING_TOLD, ToldByFleet } from '../domain/gpu-source/notices.ts';
import type { FleetAction } from '../domain/gpu-source/plan.ts';
import { costOf, money } from '../domain/gpu-source/session.ts';
import type { PipelineActivities } from '../domain/run/activities.ts';
import { FLEET_CALL, FLEET_WATCH, NOTIFY } from './support/activity-options.ts';
import { describeFailure } from './support/failures.ts';
import { budgetSpentSignal } from './support/messages.ts';

export const fleetStatusQuery = defineQuery<FleetStatus>('status');
/** Asks for a session, or for sessions to be closed; `{}` looks again at once. */
export const fleetRequestSignal = defineSignal<[Partial<FleetRequest>]>('request');

const watching = proxyActivities<FleetActivities>({ ...FLEET_WATCH, taskQueue: FLEET_QUEUE });
const { notify } = proxyActivities<Pick<PipelineActivities, 'notify'>>(NOTIFY);
const calls = proxyActivities<FleetActivities>({ ...FLEET_CALL, taskQueue: FLEET_QUEUE });

/** Who brings machines: watches what waits and what is open, and opens and closes sessions. One for all runs; it never ends. */
export async function gpuFleet(toldBefore: unknown = NOTHING_TOLD): Promise<void> {
  const status: FleetStatus = {
    ...{ watchedAt: null, sessions: [], obstacles: [], spent: [], offers: [], capOfRun: null },
  };
  // Anybody may start it, with anything.
  let people = ToldByFleet.safeParse(toldBefore).data ?? NOTHING_TOLD;
  let near: FleetWatch['nearCaps'] = [];
  let request: FleetRequest = { open: null, close: [] };
  let watch: CancellationScope | null = null;
  let asked = false;
  // Told once each; a fleet that continues as new tells again those that wait still.
  const told = new Set<string>();
  setHandler(fleetStatusQuery, () => status);
  setHandler(fleetRequestSignal, (more) => {
    request = { open: more?.open ?? request.open, close: [...request.close, ...(more?.close ?? [])] };
    asked = true;
    watch?.cancel();
  });
  while (!workflowInfo().continueAsNewSuggested) {
    const now = request;
    request = { open: null, close: [] };
    asked = false;
    watch = new CancellationScope();
    try {
      const shown = shownOf({ ...status, nearCaps: near });
      const seen = await watch.run(() => watching.watchFleet({ request: now, shown, told: [...told] }));
      const { sessions, obstacles, spent, offers, capOfRun } = seen;
      Object.assign(status, { watchedAt: Date.now(), sessions, obstacles, spent, offers, capOfRun });
      near = seen.nearCaps;
      show(status);
      people = tellPeople(people, seen);
      for (const action of seen.actions) {
        if (action.do === 'tell-spent') told.add(action.workflowId);
        // A run that may spend again, after a resume, is told again when that is spent.
        if (action.do === 'open' && action.run !== null) forget(told, action.run);
      }
      await Promise.all(seen.actions.map(perform));
    } catch (error) {
      if (CancellationScope.current().consideredCancelled) throw error;
      // What was asked before the watch was interrupted for more is asked with it.
      if (isCancellation(error) && asked)
        request = { open: request.open ?? now.open, close: [...now.close, ...request.close] };
      else {
        status.obstacles = [`the fleet could not be watched: ${describeFailure(error).message}`];
        show(status);
        await condition(() => asked, '30s');
      }
    } finally {
      watch = null;
    }
  }
  await continueAsNew<typeof gpuFleet>(people);
}

/** Tells people by webhook what is new; nothing waits for it. */
function tellPeople(told: ToldByFleet, seen: FleetWatch): ToldByFleet {
  const news = fleetNotices(told, seen);
  for (const notice of news.notices) notify(notice).catch(() => undefined);
  return news.told;
}

/** Run names and the ids of their workflows begin alike. */
function forget(told: Set<string>, run: string): void {
  for (const id of told) if (id.startsWith(run)) told.delete(id);
}

/** One action; what fails is tried again by the next watch, which finds it in the ledger. */
async function perform(action: FleetAction): Promise<void> {
  try {
    switch (action.do) {
      case 'open':
        await calls.openSession(action);
        return;
      case 'reopen':
        await calls.reopenSession({ session: action.session });
        return;
      case 'ready':
        await calls.markReady({ session: action.session });
        return;
      case 'close':
        await calls.closeSession({ session: action.session, ended: action.ended, why: action.why });
        return;
      case 'tell-spent':
        await getExternalWorkflowHandle(action.workflowId).signal(budgetSpentSignal, action.why);
        return;
      case 'remove-orphan':
        await calls.removeOrphan({ source: action.source, name: action.name });
    }
  } catch (error) {
    if (isCancellation(error)) throw error;
    log.warn(`${action.do}: ${describeFailure(error).message}`);
  }
}

/** Closes once what nobody needs, and starts the fleet where it was ended; a schedule starts this each night. */
export async function reapGpuSessions(): Promise<Reaped> {
  const reaped = await calls.reapSessions();
  for (const { name, why } of reaped.failed)
    await notify({
      ...{ event: 'gpu-refused', run: 'gpu-fleet', model: 'gpu-fleet' },
      text: `GPU session ${name} could not be closed: ${why}`,
    }).catch(() => undefined);
  return reaped;
}

function show({ sessions, obstacles }: FleetStatus): void {
  const lines = sessions.map((session) => {
    const { name, source, accelerator, readyAt, why, price } = session;
    const cost = money(costOf(session, Date.now()), price.currency);
    return `- **${name}** ${source} ${accelerator}, ${readyAt === null ? 'starting' : 'ready'}, ${cost}: ${why}`;
  });
  setCurrentDetails(
    [...(lines.length === 0 ? ['no session is open'] : lines), ...obstacles.map((text) => `- ${text}`)].join(
      '\n',
    ),
  );
}
