import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import type { temporal } from '@temporalio/proto';
import { cutMessage } from '../domain/errors.ts';
import { visibleText } from '../domain/visible-text.ts';

/** Something that happened in a run or in its study. */
export interface LogEntry {
  at: Date;
  workflowId: string;
  text: string;
  isError: boolean;
}

type Event = temporal.api.history.v1.IHistoryEvent;

/** Longest text of an entry. */
const MAX_TEXT = 1000;

/** What has happened in a run and the workflows that it started, oldest first, from Temporal's history; reports of progress are left out. */
export async function runLog(client: Client, workflowId: string): Promise<LogEntry[]> {
  const entries: LogEntry[] = [];
  const seen = new Set<string>();
  const queue = [workflowId];
  for (let id = queue.shift(); id !== undefined; id = queue.shift()) {
    if (seen.has(id)) continue;
    seen.add(id);
    const { events, children } = await entriesOf(client, id, id === workflowId);
    entries.push(...events);
    queue.push(...children);
  }
  return entries.toSorted((a, b) => a.at.getTime() - b.at.getTime());
}

async function entriesOf(
  client: Client,
  workflowId: string,
  isAsked: boolean,
): Promise<{ events: LogEntry[]; children: string[] }> {
  const found: LogEntry[] = [];
  const children: string[] = [];
  const names = new Map<string, string>();
  let token: Uint8Array | null | undefined;
  try {
    do {
      const page = await client.workflowService.getWorkflowExecutionHistory({
        namespace: client.options.namespace,
        execution: { workflowId },
        ...(token == null ? {} : { nextPageToken: token }),
      });
      for (const event of page.history?.events ?? []) {
        const child = event.childWorkflowExecutionStartedEventAttributes?.workflowExecution?.workflowId;
        if (child != null) children.push(child);
        const entry = entryOf(event, names);
        if (entry === null) continue;
        const text = cutMessage(visibleText(entry.text), MAX_TEXT);
        found.push({ at: timeOf(event), workflowId, text, isError: entry.isError });
      }
      token = page.nextPageToken;
    } while (token != null && token.length > 0);
  } catch (error) {
    // A study's history may be gone before its run's.
    if (isAsked || !(error instanceof WorkflowNotFoundError)) throw error;
  }
  return { events: found, children };
}

function timeOf({ eventTime }: Event): Date {
  return new Date(Number(eventTime?.seconds ?? 0) * 1000 + (eventTime?.nanos ?? 0) / 1e6);
}

/** An event in words; null: it says nothing to a person. `names` keeps what activities are called. */
function entryOf(event: Event, names: Map<string, string>): { text: string; isError: boolean } | null {
  const said = (text: string) => ({ text, isError: false });
  const wrong = (text: string) => ({ text, isError: true });
  const name = (id: unknown) => names.get(String(id)) ?? 'an activity';
  const scheduled = event.activityTaskScheduledEventAttributes;
  if (scheduled != null) {
    names.set(String(event.eventId), scheduled.activityType?.name ?? '');
    return null;
  }
  const began = event.activityTaskStartedEventAttributes;
  if (began != null) {
    const again = (began.attempt ?? 1) > 1 ? `, attempt ${began.attempt}` : '';
    const after = began.lastFailure == null ? '' : `, after: ${rootCause(began.lastFailure)}`;
    return {
      text: `${name(began.scheduledEventId)} on ${began.identity}${again}${after}`,
      isError: after !== '',
    };
  }
  const done = event.activityTaskCompletedEventAttributes;
  if (done != null) return said(`${name(done.scheduledEventId)} done`);
  const failed = event.activityTaskFailedEventAttributes;
  if (failed != null) return wrong(`${name(failed.scheduledEventId)} failed: ${rootCause(failed.failure)}`);
  const late = event.activityTaskTimedOutEventAttributes;
  if (late != null) return wrong(`${name(late.scheduledEventId)} timed out: ${rootCause(late.failure)}`);
  const stopped = event.activityTaskCanceledEventAttributes;
  if (stopped != null) return said(`${name(stopped.scheduledEventId)} cancelled`);
  return ofWorkflow(event, said, wrong);
}

type Say = (text: string) => { text: string; isError: boolean };

function ofWorkflow(event: Event, said: Say, wrong: Say): ReturnType<typeof entryOf> {
  const signal = event.workflowExecutionSignaledEventAttributes;
  if (signal != null) return signal.signalName === 'progress' ? null : said(`signal ${signal.signalName}`);
  const update = event.workflowExecutionUpdateAcceptedEventAttributes;
  if (update != null)
    return said(`${update.acceptedRequest?.input?.name} by ${update.acceptedRequest?.meta?.identity}`);
  const task = event.workflowTaskFailedEventAttributes;
  if (task != null) return wrong(`workflow task failed: ${rootCause(task.failure)}`);
  if (event.workflowExecutionStartedEventAttributes != null) return said('started');
  if (event.workflowExecutionCancelRequestedEventAttributes != null) return said('asked to cancel');
  if (event.workflowExecutionCompletedEventAttributes != null) return said('completed');
  if (event.workflowExecutionCanceledEventAttributes != null) return said('cancelled');
  if (event.workflowExecutionTerminatedEventAttributes != null) return wrong('terminated');
  const ended = event.workflowExecutionFailedEventAttributes;
  return ended == null ? null : wrong(`failed: ${rootCause(ended.failure)}`);
}

function rootCause(failure: temporal.api.failure.v1.IFailure | null | undefined): string {
  let inner = failure;
  while (inner?.cause != null) inner = inner.cause;
  const kind = inner?.applicationFailureInfo?.type;
  const message = inner?.message ?? 'no reason is known';
  return kind == null || kind === '' ? message : `${kind}: ${message}`;
}
