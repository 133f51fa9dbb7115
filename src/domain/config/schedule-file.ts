import { z } from 'zod';
import { ReevaluateInput } from './release-inputs.ts';

/** One nightly re-evaluation: what it looks at, and when. */
export const ReevaluationSchedule = ReevaluateInput.unwrap().extend({
  /** Five cron fields. */
  cron: z
    .string()
    .regex(/^\S+( \S+){4}$/, 'expected five cron fields such as "0 3 * * *"')
    .default('0 3 * * *'),
  /** IANA time zone of the cron fields; a night with a clock change runs once. */
  timeZone: z.string().refine(isTimeZone, 'expected an IANA time zone such as "Europe/Paris"').default('UTC'),
  /** How late a missed night may be caught up. */
  catchUpMinutes: z
    .int()
    .min(1)
    .max(7 * 24 * 60)
    .default(60),
  /** Failures of one night's workflow, one after another, before the schedule pauses itself; 0: it never does. */
  pauseAfterFailures: z.int().min(0).max(20).default(3),
  /** Held, with everything in place. */
  paused: z.boolean().default(false),
});
export type ReevaluationSchedule = z.infer<typeof ReevaluationSchedule>;

/** What `plein-air schedule apply --file` reads. */
export const ScheduleFile = z
  .strictObject({ schedules: z.array(ReevaluationSchedule).min(1) })
  .refine((file) => new Set(file.schedules.map(({ model }) => model)).size === file.schedules.length, {
    message: 'expected one schedule a model, got two for the same',
    path: ['schedules'],
  });
export type ScheduleFile = z.infer<typeof ScheduleFile>;

/** Id of a model's schedule. */
export const scheduleId = (model: string) => `nightly-reevaluate-${model}`;

function isTimeZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}
