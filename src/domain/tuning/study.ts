import { z } from 'zod';
import { FileRef } from '../refs.ts';
import { Trial, TrialParameters } from './search-space.ts';
import { Confirmation } from './top-k.ts';

/** All that a study knows, as plain data: what one workflow run hands to the next when a study continues as new. */
export const StudyState = z.strictObject({
  trials: z.array(Trial),
  /** Trials of an earlier study whose values compare with this one's. */
  earlier: z.array(Trial),
  /** Trials to try right after trial 0: a person's own, then the best of an earlier study that does not compare. */
  enqueue: z.array(TrialParameters),
  /** Segments of training that may be under way at a time. */
  parallel: z.int(),
  confirmations: z.array(Confirmation),
  /** Segments of training that are done. */
  stretches: z.int(),
  /** GPU seconds of all segments, and of the dearest one. */
  spentSeconds: z.number(),
  dearestSeconds: z.number(),
  /** Why no further trial was started; null: they still are. */
  stopped: z.string().nullable(),
});
export type StudyState = z.infer<typeof StudyState>;

/** A study nobody has asked for a trial yet. */
export function newStudy(p: Pick<StudyState, 'earlier' | 'enqueue' | 'parallel'>): StudyState {
  return {
    ...p,
    trials: [],
    confirmations: [],
    stretches: 0,
    spentSeconds: 0,
    dearestSeconds: 0,
    stopped: null,
  };
}

/** What is done next in a study: a new trial, a paused one that goes on, or nothing for now or for good. */
export interface StudyMove {
  next: 'trial' | 'promote' | 'wait' | 'stop';
  /** Of the trial; null where there is none. */
  number: number | null;
  /** Of a new trial. */
  parameters: TrialParameters | null;
  /** Rung to train to. */
  toStep: number | null;
  reason: string;
}

/** What the study's figures say beyond its best trial; every part may be empty. */
export const StudyInsight = z.strictObject({
  /** Part of the good trials' goodness that each field explains, the largest first; together 1. */
  importances: z.array(z.strictObject({ field: z.string(), importance: z.number() })),
  /** The chosen trial against each other finalist, over the new seeds. */
  certainty: z.array(
    z.strictObject({
      rival: z.int(),
      /** Mean of (rival − chosen) over the shared seeds: above 0, the chosen one is better. */
      meanDifference: z.number(),
      /** Probability that the chosen one is better, from the spread over seeds; null: one seed shows no spread. */
      probability: z.number().nullable(),
      seeds: z.int(),
    }),
  ),
  /** Kendall's tau between the order at a rung and that at the last one, over trials that reached both. */
  rankAgreement: z.array(z.strictObject({ step: z.int(), trials: z.int(), tau: z.number().nullable() })),
});
export type StudyInsight = z.infer<typeof StudyInsight>;

/** A finished study on the Hub, and what was learnt from it. */
export const StudyRecord = z.strictObject({
  /** `study/study.json` in the record repository. */
  record: FileRef,
  /** `study/index.html` beside it. */
  report: FileRef,
  insight: StudyInsight,
});
export type StudyRecord = z.infer<typeof StudyRecord>;

/** Stretches of training per workflow run: some twelve events each stay far below the 10,240 at which Temporal warns. */
export const STRETCHES_PER_RUN = 100;
/** Bytes of trials that a workflow run sends to its asks before it continues as new; its history warns at 10 MB. */
export const ASKED_BYTES_PER_RUN = 3_000_000;
/** Events of a workflow run at which a study continues as new whatever its counts say. */
export const EVENTS_PER_RUN = 8_000;

/**
 * Whether a study continues as new. By counts alone, as far as may be: the history's own length grows with every worker
 * that dies and every report that comes in, and must not decide what the next ask knows. It does only where the history
 * would otherwise outgrow the server.
 */
export function continuesAsNew(p: {
  /** Segments of training that this workflow run has settled. */
  segments: number;
  /** Bytes of trials that it sent to its asks. */
  askedBytes: number;
  /** Length of its history. */
  events: number;
}): boolean {
  return p.segments >= STRETCHES_PER_RUN || p.askedBytes >= ASKED_BYTES_PER_RUN || p.events >= EVENTS_PER_RUN;
}
