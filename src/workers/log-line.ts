import { Context } from '@temporalio/activity';
import { type ActivityInboundCallsInterceptor, Runtime } from '@temporalio/worker';
import type { Environment } from '../config/env.ts';
import { visibleText } from '../domain/visible-text.ts';

let current: Context | null = null;

/** Keeps in mind what a worker of one activity at a time is at: a trainer's lines come from outside the activity. */
export const rememberActivity: ActivityInboundCallsInterceptor = {
  async execute(input, next) {
    current = Context.current();
    try {
      return await next(input);
    } finally {
      current = null;
    }
  },
};

/**
 * Writes a trainer's or an activity's lines to the worker's own log: marked, or where logs are JSON with the run, activity and
 * attempt that {@link rememberActivity} knows.
 */
export function logLine(env: Environment, source: string): (line: string) => void {
  if (env.PLEIN_AIR_LOG_FORMAT !== 'json')
    return (line) => void process.stderr.write(`[${source}] ${visibleText(line)}\n`);
  return (line) => (current?.log ?? Runtime.instance().logger).info(line, { source });
}
