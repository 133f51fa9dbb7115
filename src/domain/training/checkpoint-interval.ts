/** What the time between two checkpoints is made from; seconds. */
export interface IntervalFacts {
  /** Bounds that the configuration sets. */
  minSeconds: number;
  maxSeconds: number;
  /** Longest that training stood still for a checkpoint of late. */
  stallSeconds: number;
  /** Longest time of late from asking for a checkpoint to its being on the Hub. */
  saveSeconds: number;
  /** Mean time that a machine lives. */
  betweenPreemptions: number;
}

/** Colab says nothing of how long a session lives; until a run knows better, one preemption in two hours. */
const PRIOR_SECONDS = 2 * 3600;
/** Less than this nobody measures, and a product with zero would ask for checkpoints without end. */
const MIN_STALL = 0.05;

/**
 * Seconds from one checkpoint to asking for the next. The optimum is that of J. W. Young, "A first order approximation to the
 * optimum checkpoint interval" (1974), with J. T. Daly's correction (2006): √(2δM) − δ for a checkpoint that costs δ and a
 * machine that lives M. A lost machine costs the work since the newest checkpoint on the Hub, upload included, so that the
 * upload is taken off `maxSeconds`; a Hub that is slower than that is not asked more often than it can take.
 */
export function secondsToNextCheckpoint(facts: IntervalFacts): number {
  const { minSeconds, maxSeconds, saveSeconds, betweenPreemptions } = facts;
  const stall = Math.max(MIN_STALL, facts.stallSeconds);
  const optimum = Math.sqrt(2 * stall * betweenPreemptions) - stall;
  const floor = Math.max(minSeconds, saveSeconds);
  return Math.max(floor, Math.min(optimum, maxSeconds - saveSeconds));
}

/** Mean seconds that a machine lives, from what a run has seen so far and from what is usual. */
export function secondsBetweenPreemptions(seen: { gpuSeconds: number; preemptions: number }): number {
  return (seen.gpuSeconds + PRIOR_SECONDS) / (seen.preemptions + 1);
}

/** Remembers the newest few measurements; the longest one is what has to be reckoned with. */
export function longestOfLate(measured: readonly number[], unknown: number): number {
  return measured.length === 0 ? unknown : Math.max(...measured.slice(-5));
}
