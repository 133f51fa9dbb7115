import { z } from 'zod';

/** One picture of each slice of the sample set, at most so many, by which a release is tried. */
export const JUDGED_PICTURES = 4;

/**
 * Largest distance, seen from afar, to the picture that the gate judged. The same device gives the same pixels; another
 * kind of device, or a few more neighbors in a batch, gives a picture that people cannot tell apart.
 */
export const FARTHEST = 0.05;

/** What a running Space was found to do with a judged prompt of each slice, at the judged seeds. */
export const SpaceTrial = z.strictObject({
  /** `not-run`: this Hub keeps Spaces without running them, so there was nothing to try. */
  outcome: z.enum(['healthy', 'unhealthy', 'not-run']),
  /** What is wrong with an unhealthy one; else empty. */
  problem: z.string(),
  /** From the commit to the running app; null: it did not come up. */
  startSeconds: z.number().nullable(),
  /** For the slowest request, base and painted picture; null: none was answered. */
  paintSeconds: z.number().nullable(),
  /**
   * Distance to the base's judged picture less that to the adapter's, of the same prompt and seed, smallest of all requests;
   * above 0: the style that the gate judged is there. Null: the release keeps no judged pictures.
   */
  styleMargin: z.number().nullable(),
  /** Largest distance to what the gate judged, 0 to 1 seen from afar; null: the release keeps no judged pictures. */
  distance: z.number().nullable(),
});
export type SpaceTrial = z.infer<typeof SpaceTrial>;

/** A judged sample of a release, to ask its Space for. */
export const SmokeRequest = z.strictObject({
  /** Its pictures are `{id}-base.png` and `{id}-painted.png`. */
  id: z.string().regex(/^[\w-]+$/),
  prompt: z.string().min(1),
  seed: z.int().min(0),
  /** Side of the pictures in pixels. */
  size: z.int(),
});
export type SmokeRequest = z.infer<typeof SmokeRequest>;

/** `smoke/requests.json` of a release: the first judged sample of each slice. */
export const SmokeRequests = z.array(SmokeRequest).max(JUDGED_PICTURES);

/** What a Space says that it serves: its API `served`; sha256 is of the bytes that it loaded. */
export const ServedBySpace = z.object({
  model: z.string(),
  revision: z.string(),
  tag: z.string(),
  adapterSha256: z.string(),
  /** Whether a content filter looks at every picture. */
  filter: z.boolean(),
});
export type ServedBySpace = z.infer<typeof ServedBySpace>;

const UNSERVED: SpaceTrial = {
  outcome: 'unhealthy',
  problem: '',
  startSeconds: null,
  paintSeconds: null,
  styleMargin: null,
  distance: null,
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
