import { z } from 'zod';
import type { GateRule } from '../config/gate-config.ts';
import type { Metric } from './report.ts';

/** The release that had most of something, by the lower bound that it was released with. */
export const Anchor = z.strictObject({ metric: z.string(), tag: z.string(), low: z.number() });
export type Anchor = z.infer<typeof Anchor>;

/** Figures over the base's that reports of different releases have in common, as long as base, prompts and encoder are the same. */
export const ANCHORED = ['diversity.vendi', 'diversity.withinPrompt'] as const;

/** For each of these figures the release that had most of it; figures that no release has are left out. */
export function anchorsOf(
  releases: readonly { tag: string; metrics: Readonly<Record<string, Metric>> }[],
): Anchor[] {
  return ANCHORED.flatMap((metric) => {
    const had = releases.flatMap(({ tag, metrics }) => {
      const low = metrics[metric]?.low;
      return low == null ? [] : [{ metric, tag, low }];
    });
    return had.sort((a, b) => b.low - a.low).slice(0, 1);
  });
}

/**
 * What follows from the rules against the best release for figures that another release had more of: the same share of
 * the most that any release had. Against the one best in style alone, each release could be a little less diverse.
 */
export function anchoredRules(rules: readonly GateRule[], anchors: readonly Anchor[]): GateRule[] {
  return rules.flatMap((rule) => {
    const anchor = anchors.find(({ metric }) => metric === rule.metric);
    if (rule.against !== 'best' || rule.slice !== undefined || anchor === undefined) return [];
    const { metric, must, threshold } = rule;
    return [{ metric, must, threshold: Number((threshold * anchor.low).toPrecision(6)) }];
  });
}
