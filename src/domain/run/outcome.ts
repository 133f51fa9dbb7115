import { z } from 'zod';
import { ERROR_KIND_NAMES, ERROR_KINDS } from '../errors.ts';
import type { Approval, GateDecision } from '../evaluation/decision.ts';
import type { Release } from '../release/release.ts';
import type { PhaseRecord } from './phases.ts';

/** Why a run ended early. */
export const Failure = z.strictObject({ kind: z.enum(ERROR_KIND_NAMES), message: z.string() });
export type Failure = z.infer<typeof Failure>;

const released = { repo: z.string(), tag: z.string() };

/** How a run ended, or where it is: the one answer that report, card, notice, command line and exit code give. */
export const Outcome = z.discriminatedUnion('kind', [
  /** In production after it passed every rule of its gate. */
  z.strictObject({ kind: z.literal('released'), ...released }),
  /** In production although the gate did not say PASS: a person decided so. */
  z.strictObject({
    kind: z.literal('released-against-gate'),
    ...released,
    verdict: z.enum(['FAIL', 'INCONCLUSIVE']),
    by: z.string(),
    reason: z.string(),
  }),
  z.strictObject({ kind: z.literal('refused') }),
  z.strictObject({ kind: z.literal('inconclusive') }),
  /** A person said no to a candidate that passed. */
  z.strictObject({ kind: z.literal('rejected'), by: z.string(), reason: z.string() }),
  /** Nobody approved a candidate that passed within `gate.approvalTimeoutHours`. */
  z.strictObject({ kind: z.literal('not-approved') }),
  z.strictObject({ kind: z.literal('waiting'), verdict: z.enum(['PASS', 'FAIL', 'INCONCLUSIVE']) }),
  z.strictObject({ kind: z.literal('cancelled') }),
  z.strictObject({ kind: z.literal('failed'), error: z.enum(ERROR_KIND_NAMES), message: z.string() }),
  z.strictObject({ kind: z.literal('unfinished') }),
]);
export type Outcome = z.infer<typeof Outcome>;

/** What an outcome follows from; a `RunSummary` has it all. */
export interface OutcomeFacts {
  phases: readonly PhaseRecord[];
  gate: Pick<GateDecision, 'verdict'> | null;
  approval: Approval | null;
  release: { release: Pick<Release['release'], 'repo' | 'tag'> } | null;
  /** Absent: it did not fail. */
  failure?: Failure | null;
}

/** The outcome of a run as far as it is known. */
export function outcomeOf({ phases, gate, approval, release, failure = null }: OutcomeFacts): Outcome {
  if (failure !== null)
    return failure.kind === 'Cancelled'
      ? { kind: 'cancelled' }
      : { kind: 'failed', error: failure.kind, message: failure.message };
  if (gate === null) return { kind: 'unfinished' };
  if (release !== null) return releaseOutcome({ ...release.release, verdict: gate.verdict, approval });
  const at = (name: PhaseRecord['name']) => phases.find((phase) => phase.name === name)?.status;
  if (at('gate') === 'running') return { kind: 'waiting', verdict: gate.verdict };
  switch (gate.verdict) {
    case 'FAIL':
      return { kind: 'refused' };
    case 'INCONCLUSIVE':
      return { kind: 'inconclusive' };
    case 'PASS':
      if (approval?.decision === 'rejected')
        return { kind: 'rejected', by: approval.by, reason: approval.reason };
      return at('deploy') === 'skipped' ? { kind: 'not-approved' } : { kind: 'unfinished' };
  }
}

/** The outcome of a run whose adapter is in production. */
export function releaseOutcome(p: {
  repo: string;
  tag: string;
  verdict: GateDecision['verdict'];
  approval: Approval | null;
}): Outcome {
  const { repo, tag, verdict, approval } = p;
  if (verdict === 'PASS') return { kind: 'released', repo, tag };
  const by = approval?.by ?? 'an unknown person';
  return { kind: 'released-against-gate', repo, tag, verdict, by, reason: approval?.reason ?? '' };
}

/** An outcome in a word or two and in one sentence, the same wherever it is shown. */
export function describeOutcome(outcome: Outcome): { word: string; sentence: string } {
  switch (outcome.kind) {
    case 'released':
      return {
        word: 'Released',
        sentence: `${outcome.repo} ${outcome.tag} passed every rule of its gate and is in production.`,
      };
    case 'released-against-gate':
      return {
        word: 'Released against the gate',
        sentence: `The gate said ${outcome.verdict}. ${outcome.by} released ${outcome.repo} ${outcome.tag} anyway, with the reason: ${outcome.reason || 'none given'}`,
      };
    case 'refused':
      return {
        word: 'Refused',
        sentence: 'The gate said FAIL: nothing was released, production is unchanged.',
      };
    case 'inconclusive':
      return {
        word: 'Inconclusive',
        sentence: 'The figures do not decide: nothing was released. More samples may decide.',
      };
    case 'rejected':
      return {
        word: 'Rejected',
        sentence: `The candidate passed its gate, but ${outcome.by} rejected it: nothing was released. Reason: ${outcome.reason || 'none given'}`,
      };
    case 'not-approved':
      return {
        word: 'Not approved',
        sentence: 'The candidate passed its gate, but nobody approved it in time: nothing was released.',
      };
    case 'waiting':
      return {
        word: 'Waiting for approval',
        sentence:
          outcome.verdict === 'PASS'
            ? 'The candidate passed its gate and waits for approval.'
            : `The gate said ${outcome.verdict}. The candidate is released only if a person approves it against the gate.`,
      };
    case 'cancelled':
      return { word: 'Cancelled', sentence: 'The run was cancelled. Training progress is saved.' };
    case 'failed':
      return { word: 'Failed', sentence: `${outcome.error}: ${outcome.message}` };
    case 'unfinished':
      return { word: 'Unfinished', sentence: 'The run has no verdict yet.' };
  }
}

/** Exit code of a command that followed a run to this outcome. */
export function exitCodeOf(outcome: Outcome): number {
  switch (outcome.kind) {
    case 'released':
    case 'released-against-gate':
    case 'waiting':
    case 'unfinished':
      return 0;
    case 'refused':
    case 'inconclusive':
    case 'rejected':
    case 'not-approved':
      return ERROR_KINDS.GateRefused.exitCode;
    case 'cancelled':
      return 130;
    case 'failed':
      return ERROR_KINDS[outcome.error].exitCode;
  }
}
