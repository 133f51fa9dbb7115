import { z } from 'zod';

/** What each word of `quietHours` is: a time of day, 24 hours. */
const TimeOfDay = z
  .string()
  .regex(/^([01]\d|2[0-3]):[0-5]\d$/, { error: 'Expected a time of day such as "23:30"' });

/** A program and its arguments, never a shell line: nothing in it is interpreted. */
const CommandLine = z.array(z.string().min(1).max(4096)).min(1).max(64);

const sharedFields = {
  /** Name of the source in lists and in the ledger. */
  name: z.string().regex(/^[a-z][a-z0-9-]{0,30}$/, {
    error: 'Expected lower-case letters, digits and hyphens, starting with a letter',
  }),
  /** Accelerators that it gives, in order of preference, by the names of the accelerator table. */
  accelerators: z
    .array(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9 _./-]{0,39}$/))
    .min(1)
    .max(16),
  /** Price of one session. Default 0: it costs nothing. */
  price: z
    .strictObject({
      perHour: z.number().min(0).max(10_000),
      currency: z
        .string()
        .regex(/^[A-Za-z ]{1,20}$/)
        .default('USD'),
    })
    .default({ perHour: 0, currency: 'USD' }),
  /** Sessions open at once. */
  sessions: z.int().min(1).max(1000).default(1),
  /** Hours after which a session is closed. */
  hours: z.number().positive().max(8760).default(12),
  /** Minutes without work after which a session is closed. */
  idleMinutes: z.number().min(0).max(1440).default(10),
  /** Minutes within which a new session's worker must ask for work, else it is closed and counted as a failure. */
  pollWithinMinutes: z.number().positive().max(240).default(15),
  /** No session is opened between these times. */
  quietHours: z
    .strictObject({ from: TimeOfDay, to: TimeOfDay, timeZone: z.string().max(64).default('UTC') })
    .optional(),
  /** Variables for the worker on the new machine beside those it gets anyway, such as addresses as seen from there. */
  environment: z.record(z.string().regex(/^[A-Z][A-Z0-9_]*$/), z.string().max(4096)).default({}),
};

/** GPU workers as processes of this machine. */
const LocalSource = z.strictObject({ ...sharedFields, kind: z.literal('local') });

/** Hugging Face Jobs, by the minute, with the token that the worker has. */
const HfJobsSource = z.strictObject({
  ...sharedFields,
  kind: z.literal('hf-jobs'),
  /** Container image that has the GPU worker. */
  image: z.string().min(1).max(512),
  /** Command in it. */
  command: CommandLine.default(['node', 'dist/workers/gpu-worker.js']),
  /** Account that pays; default: the token's owner. */
  namespace: z.string().max(96).optional(),
  /** Hardware flavor of each accelerator, as `hf jobs hardware` lists them. */
  flavors: z.record(z.string(), z.string().regex(/^[a-z0-9][a-z0-9-]{0,40}$/)),
});

/** Google Colab through its command line. */
const ColabSource = z.strictObject({
  ...sharedFields,
  kind: z.literal('colab'),
  /** Whether the account has compute units: the terms forbid workers and remote control on free sessions. */
  paid: z.literal(true, {
    error:
      'Expected true. Colab forbids distributed workers and remote control on runtimes without compute units: state paid: true if your account has them, or use the notebook (docs/colab.md) on a free one',
  }),
  /** The `colab` program. */
  program: CommandLine.default(['colab']),
  /** Python file that sets a session up and starts the worker; default: the one that Plein Air ships. */
  bootstrap: z.string().max(4096).optional(),
});

/** Three command lines of the operator's: SkyPilot, dstack, Slurm, ssh, … */
const CommandSource = z.strictObject({
  ...sharedFields,
  kind: z.literal('command'),
  /** Opens the session named by PLEIN_AIR_SESSION with PLEIN_AIR_ACCELERATOR; exit code 75: no capacity now. */
  open: CommandLine,
  /** Closes it; a session that is gone is success. */
  close: CommandLine,
  /** Prints the names of all sessions, a line each. */
  list: CommandLine,
  /** Seconds that each may take. */
  timeoutSeconds: z.number().positive().max(3600).default(600),
});

/** One entry of the operator's file, by kind. */
export const SourceConfig = z.discriminatedUnion('kind', [
  LocalSource,
  HfJobsSource,
  ColabSource,
  CommandSource,
]);
export type SourceConfig = z.infer<typeof SourceConfig>;
export type SourceConfigOf<K extends SourceConfig['kind']> = Extract<SourceConfig, { kind: K }>;

/**
 * `gpu-sources.yaml`: who brings a machine when GPU work waits, in order of preference. Only pipeline workers read it; no
 * command line travels through Temporal.
 */
export const SourcesFile = z
  .strictObject({
    sources: z.array(SourceConfig).max(20),
    /** Limits in money over all sources of one currency. */
    caps: z
      .strictObject({
        /** For one run; a run's own `budget.money` may be lower. */
        run: z.number().min(0).nullable().default(null),
        /** For a calendar month (UTC). */
        month: z.number().min(0).nullable().default(null),
      })
      .default({ run: null, month: null }),
  })
  .superRefine(({ sources, caps }, context) => {
    const names = sources.map(({ name }) => name);
    for (const [index, name] of names.entries())
      if (names.indexOf(name) !== index)
        context.addIssue({
          code: 'custom',
          path: ['sources', index, 'name'],
          message: `Expected a name of its own, got "${name}" twice`,
        });
    const currencies = new Set(sources.filter((s) => s.price.perHour > 0).map((s) => s.price.currency));
    if (currencies.size > 1 && (caps.run !== null || caps.month !== null))
      context.addIssue({
        code: 'custom',
        path: ['caps'],
        message: `Expected one currency where caps are set, got ${[...currencies].join(', ')}`,
      });
  });
export type SourcesFile = z.infer<typeof SourcesFile>;

/** Whether a moment lies in a source's quiet hours; hours that wrap around midnight are understood. */
export function isQuiet(hours: SourceConfig['quietHours'], now: number): boolean {
  if (hours === undefined) return false;
  const parts = new Intl.DateTimeFormat('en-GB', {
    timeZone: hours.timeZone,
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  }).format(now);
  const { from, to } = hours;
  return from <= to ? parts >= from && parts < to : parts >= from || parts < to;
}
