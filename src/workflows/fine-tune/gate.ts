import type { PreparedDataset } from '../../domain/dataset/prepared-dataset.ts';
import type { Approval, Evaluation, GateDecision } from '../../domain/evaluation/decision.ts';
import type { Training } from '../../domain/training/training.ts';
import { onGpu, phase, type Run } from './run.ts';

/** Measurements after the first that a run may ask for: four more looks, and a few whose baseline was replaced meanwhile. */
const MAX_MEASUREMENTS = 8;

/** What goes to the gate. */
export interface Candidate {
  dataset: PreparedDataset;
  training: Training;
  evaluation: Evaluation;
}

/** What the gate and a person decided, and on which measurement. */
export interface Judged {
  training: Training;
  evaluation: Evaluation;
  gate: GateDecision;
  /** Null: nobody was asked, or nobody answered in time. */
  approval: Approval | null;
}

/** Judges the candidate, and asks a person where the run's gate wants one. */
export function gate(run: Run, candidate: Candidate): Promise<Judged> {
  const { config, state } = run;
  return phase(run, 'gate', {
    work: async () => {
      const judged = await judge(run, candidate);
      const { verdict, reasons } = judged.gate;
      run.reports.record(judged);
      state.status.gate = judged.gate;
      state.notifier.tell('gate-verdict', `${verdict}: ${reasons.join('; ')}`);
      const { requireApproval, allowOverride, approvalTimeoutHours } = config.gate;
      const asks = verdict === 'PASS' ? requireApproval : allowOverride;
      const approval = asks ? await state.approval(judged.gate, approvalTimeoutHours) : null;
      state.status.approval = approval;
      return { training: candidate.training, ...judged, approval };
    },
    record: ({ approval }) => ({ approval }),
    tell: ({ gate: { verdict }, approval }) => ({
      result: approval === null ? verdict : `${verdict}, ${approval.decision} by ${approval.by}`,
    }),
  });
}

/** The gate's decision; undecided, it asks for the further looks that were planned, and no more. */
async function judge(
  run: Run,
  { dataset: { dataset }, training, evaluation: first }: Candidate,
): Promise<Pick<Judged, 'gate' | 'evaluation'>> {
  const { context, gpu, pipeline, state } = run;
  let look = 1;
  let evaluation = first;
  let decision = await state.pause.step(() => pipeline.judge({ context, evaluation }));
  for (let again = 0; decision.next !== undefined && again < MAX_MEASUREMENTS; again++) {
    if (decision.next === 'look') look += 1;
    evaluation = await onGpu(run, { activity: 'evaluate' }, () =>
      gpu.evaluate({ context, dataset, training, look }),
    );
    run.reports.record({ evaluation });
    decision = await state.pause.step(() => pipeline.judge({ context, evaluation, look }));
  }
  return { gate: decision, evaluation };
}
