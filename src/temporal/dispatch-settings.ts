/**
 * What a Temporal server is told about handing out work: fairness on, and one partition, so that priorities and turns hold
 * over a whole queue and not in each of its parts. `temporal/server/dynamic.yaml` says the same for a server of one's own.
 */
export const DISPATCH_SETTINGS = {
  'matching.enableFairness': true,
  'matching.numTaskqueueReadPartitions': 1,
  'matching.numTaskqueueWritePartitions': 1,
} as const;

/** The settings as arguments of the dev server. */
export const DISPATCH_ARGUMENTS = Object.entries(DISPATCH_SETTINGS).flatMap(([name, value]) => [
  '--dynamic-config-value',
  `${name}=${value}`,
]);
