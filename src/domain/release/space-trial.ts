import { z } from 'zod';

/** What a running Space was found to do with one request at a fixed seed. */
export const SpaceTrial = z.strictObject({
  /** `not-run`: this Hub keeps Spaces without running them, so there was nothing to try. */
  outcome: z.enum(['healthy', 'unhealthy', 'not-run']),
  /** What is wrong with an unhealthy one; else empty. */
  problem: z.string(),
  /** From the commit to the running app; null: it did not come up. */
  startSeconds: z.number().nullable(),
  /** For one request, base and painted picture; null: none was answered. */
  paintSeconds: z.number().nullable(),
  /**
   * Distance to the base's judged picture less that to the adapter's, of the same prompt and seed; above 0: the style that
   * the gate judged is there. Null: the release keeps no judged pictures.
   */
  styleMargin: z.number().nullable(),
});
export type SpaceTrial = z.infer<typeof SpaceTrial>;

/** `smoke/request.json` of a release: one judged sample, to ask its Space for. */
export const SmokeRequest = z.strictObject({
  prompt: z.string().min(1),
  seed: z.int().min(0),
  /** Side of the pictures in pixels. */
  size: z.int(),
});
export type SmokeRequest = z.infer<typeof SmokeRequest>;

/** What a Space says that it serves: its API `served`; sha256 is of the bytes that it loaded. */
export const ServedBySpace = z.object({
  model: z.string(),
  revision: z.string(),
  tag: z.string(),
  adapterSha256: z.string(),
});
export type ServedBySpace = z.infer<typeof ServedBySpace>;

const UNSERVED: SpaceTrial = {
  outcome: 'unhealthy',
  problem: '',
  startSeconds: null,
  paintSeconds: null,
  styleMargin: null,
};

/** A trial that ended badly, with what was known by then. */
export function unhealthy(problem: string, known: Partial<SpaceTrial> = {}): SpaceTrial {
  return { ...UNSERVED, ...known, outcome: 'unhealthy', problem };
}

/** The trial of a Hub that runs no Spaces. */
export const NOT_RUN: SpaceTrial = {
  ...UNSERVED,
  outcome: 'not-run',
};
