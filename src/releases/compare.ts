import type { RuleOutcome } from '../domain/evaluation/gate.ts';
import { Verdict } from '../domain/evaluation/gate.ts';
import type { Provenance } from '../domain/release/provenance.ts';
import type { Hub } from '../hub/hub.ts';
import { readVerified } from '../hub/verified-json.ts';

/** A field in which two releases differ; null: one of them has no such field. */
export interface Difference {
  field: string;
  left: string | number | boolean | null;
  right: string | number | boolean | null;
}

type Leaf = Difference['left'];

/** Every leaf in which two JSON values differ, by dotted path, in order; lists count as one leaf. */
export function differences(left: unknown, right: unknown): Difference[] {
  const a = new Map(leaves(left));
  const b = new Map(leaves(right));
  const fields = [...new Set([...a.keys(), ...b.keys()])].sort();
  return fields.flatMap((field) => {
    const [was, is] = [a.get(field) ?? null, b.get(field) ?? null];
    return was === is ? [] : [{ field, left: was, right: is }];
  });
}

function leaves(value: unknown, path = ''): [string, Leaf][] {
  if (Array.isArray(value)) return [[path, JSON.stringify(value)]];
  if (typeof value === 'object' && value !== null)
    return Object.entries(value).flatMap(([key, inner]) =>
      leaves(inner, path === '' ? key : `${path}.${key}`),
    );
  return [[path, value as Leaf]];
}

/** What makes two releases different: what they were made from and with, without what differs by nature. */
export function releaseDifferences(left: Provenance, right: Provenance): Difference[] {
  return differences(comparable(left), comparable(right));
}

function comparable(p: Provenance): unknown {
  const { context, training, dataset, adapter, fingerprint, publisher } = p;
  const { run, ...config } = context.config;
  return {
    run: context.run,
    adapter: { sha256: adapter.sha256, bytes: adapter.bytes },
    base: context.base,
    source: context.source,
    dataset,
    training: {
      steps: training.step,
      heldOutLoss: training.heldOutLoss,
      trainLoss: training.trainLoss,
      preemptions: training.preemptions,
      gpuSeconds: training.gpuSeconds,
    },
    config,
    fingerprint,
    publisher,
  };
}

/** An estimate with its bounds; null: not measured. */
export type ComparedFigure = Pick<RuleOutcome, 'low' | 'estimate' | 'high'> | null;

/** The rules that a release was judged by, as its record holds them. */
export async function rulesOf(hub: Hub, provenance: Provenance): Promise<RuleOutcome[]> {
  return (await readVerified(hub, provenance.evaluation.verdict, Verdict)).rules;
}

/** The figures of two releases, metric by metric. */
export function compareRules(
  left: readonly RuleOutcome[],
  right: readonly RuleOutcome[],
): { metric: string; left: ComparedFigure; right: ComparedFigure }[] {
  const metrics = [...new Set([...left, ...right].map((rule) => rule.metric))];
  const of = (rules: readonly RuleOutcome[], metric: string): ComparedFigure => {
    const rule = rules.find((r) => r.metric === metric);
    return rule === undefined ? null : { low: rule.low, estimate: rule.estimate, high: rule.high };
  };
  return metrics.map((metric) => ({ metric, left: of(left, metric), right: of(right, metric) }));
}
