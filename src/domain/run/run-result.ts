import type { Approval, GateDecision } from '../evaluation/decision.ts';
import type { CommitRef, FileRef, RunName } from '../refs.ts';
import type { Release } from '../release/release.ts';
import type { Training } from '../training/training.ts';
import type { Trial } from '../tuning/search-space.ts';
import type { Confirmation } from '../tuning/top-k.ts';
import type { GpuWork } from './gpu-report.ts';
import type { Failure } from './outcome.ts';
import type { Phase, PhaseRecord } from './phases.ts';
import type { RunSummary } from './summary.ts';

/** What `fineTune` returns: references and figures, never bytes. */
export interface RunResult {
  run: RunName;
  verdict: GateDecision['verdict'] | null;
  phases: PhaseRecord[];
  dataset: (CommitRef & { images: number; dropped: number }) | null;
  training: Training | null;
  evaluation: FileRef | null;
  gate: GateDecision | null;
  approval: Approval | null;
  release: Release | null;
  report: FileRef | null;
}

/** Answer of the query `status`: enough for a person to know what happens and what is wanted of them. */
export interface RunStatus {
  run: string;
  model: string;
  profile: string;
  phase: Phase | null;
  /** `pausing` and `cancelling`: asked for, with work still under way. */
  state:
    | 'running'
    | 'pausing'
    | 'paused'
    | 'waiting-for-approval'
    | 'cancelling'
    | 'done'
    | 'failed'
    | 'cancelled';
  /** What a person has to do for the run to go on; null: nothing. */
  needs: string | null;
  phases: PhaseRecord[];
  /** Work on the GPU queue, newest report; null before there was any. */
  gpu: GpuWork | null;
  study: RunSummary['study'];
  training: Training | null;
  /** The gate's last decision. */
  gate: GateDecision | null;
  approval: Approval | null;
  release: Release | null;
  failure: Failure | null;
}

/** Answer of a study's query `status`. */
export interface StudyStatus {
  strategy: string;
  pruner: string;
  trials: Trial[];
  chosen: number | null;
  /** Of a study that was started on its own; within a run, the run's own status has it. */
  gpu?: GpuWork | null;
  /** Held until `resume`: stretches under way stop at their next checkpoint. */
  paused: boolean;
  /** Trials wanted, and steps of a whole one. */
  wanted: number;
  steps: number;
  parallel: number;
  /** What is under way: the trial, and the step it trains to. */
  running: { number: number; toStep: number; seed: number | null }[];
  spentGpuSeconds: number;
  confirmations: Confirmation[];
  /** Why no further trial is started; null: they still are. */
  stopped: string | null;
  /** One sentence about how sure the choice is; null: not chosen yet. */
  sure: string | null;
}
