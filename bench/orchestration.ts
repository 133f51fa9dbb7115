/**
 * What orchestration costs: the wall time of a run minus the time in which at least one of its activities worked, from
 * its recorded history. `node scripts/ts.mjs bench/orchestration.ts HISTORY.json [CHILD.json…]`, histories as
 * `npm run demo -- --histories FOLDER` writes them (`fineTune.json tune.json`).
 */
import { readFileSync } from 'node:fs';

interface HistoryEvent {
  eventId: string;
  eventTime: string;
  eventType: string;
  activityTaskCompletedEventAttributes?: { startedEventId: string };
}

const seconds = (time: string) => Date.parse(time) / 1000;
let wall = 0;
const spans: [number, number][] = [];
for (const [index, file] of process.argv.slice(2).entries()) {
  const { events } = JSON.parse(readFileSync(file, 'utf8')) as { events: HistoryEvent[] };
  const first = events[0] as HistoryEvent;
  const last = events.at(-1) as HistoryEvent;
  if (index === 0) wall = seconds(last.eventTime) - seconds(first.eventTime);
  const byId = new Map(events.map((event) => [String(event.eventId), event]));
  for (const event of events) {
    const startedId = event.activityTaskCompletedEventAttributes?.startedEventId;
    const started = startedId === undefined ? undefined : byId.get(String(startedId));
    if (started !== undefined) spans.push([seconds(started.eventTime), seconds(event.eventTime)]);
  }
}
spans.sort(([a], [b]) => a - b);
let busy = 0;
let until = Number.NEGATIVE_INFINITY;
for (const [from, to] of spans) {
  busy += Math.max(0, to - Math.max(from, until));
  until = Math.max(until, to);
}
const share = (wall - busy) / wall;
process.stdout.write(
  `wall ${wall.toFixed(2)} s, at work ${busy.toFixed(2)} s, orchestration ${(wall - busy).toFixed(2)} s = ${(100 * share).toFixed(2)} %\n`,
);
