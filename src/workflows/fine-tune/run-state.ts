import {
  allHandlersFinished,
  type ChildWorkflowHandle,
  condition,
  log,
  patched,
  setCurrentDetails,
  setHandler,
  type Workflow,
  type WorkflowResultType,
} from '@temporalio/workflow';
import type { RunConfig } from '../../domain/config/run-config.ts';
import type { Approval, GateDecision } from '../../domain/evaluation/decision.ts';
import type { Operations } from '../../domain/run/activities.ts';
import type { GpuWork } from '../../domain/run/gpu-report.ts';
import { noticesOf } from '../../domain/run/notices.ts';
import { describeOutcome } from '../../domain/run/outcome.ts';
import { PHASES, type Phase, type PhaseStatus } from '../../domain/run/phases.ts';
import type { RunStatus } from '../../domain/run/run-result.ts';
import { describeRun } from '../support/describe-run.ts';
import { GpuWatch } from '../support/gpu-watch.ts';
import {
  approveSignal,
  approveUpdate,
  type DecisionMessage,
  pauseSignal,
  rejectSignal,
  rejectUpdate,
  statusQuery,
} from '../support/messages.ts';
import { Notifier } from '../support/notifier.ts';
import { Hold, type HoldSignal } from '../support/pause.ts';
import { reportUnknownSignals } from '../support/unknown-signals.ts';
import { Visible } from '../support/visibility.ts';

/** The state of one run, what answers queries and what signals change. */
export class RunState {
  readonly status: RunStatus;
  readonly gpu: GpuWatch;
  notifier = new Notifier(undefined, { run: '', model: '' });
  private readonly gpuHours: number;
  private visible = new Visible(undefined);
  private readonly hold = new Hold({
    heard: (signal) => this.tellChild?.(signal),
    held: () => this.showHeld(true),
    goesOn: () => this.showHeld(false),
  });
  private tellChild: ((signal: HoldSignal) => void) | null = null;
  private approvalOpen = false;
  private approval: Approval | null = null;

  constructor(run: string, config: RunConfig) {
    this.status = {
      run,
      model: config.model,
      profile: config.profile,
      phase: null,
      state: 'running',
      needs: null,
      phases: PHASES.map((name) => ({ name, status: 'pending', startedAt: null, endedAt: null, result: '' })),
      gpu: null,
      study: null,
      training: null,
      gate: null,
      approval: null,
      release: null,
      failure: null,
    };
    this.gpuHours = config.budget.gpuHours;
    this.gpu = new GpuWatch(this.gpuHours, (work) => this.hearGpu(work));
    this.listen();
  }

  /** Begins to tell what the service around the run can show and send. */
  open(run: string, operations: Operations | undefined): void {
    this.status.run = run;
    this.notifier = new Notifier(operations, { run, model: this.status.model });
    this.visible = new Visible(operations);
    this.visible.remember({ run, model: this.status.model, profile: this.status.profile });
  }

  private hearGpu(work: GpuWork): void {
    const before = this.status.gpu ?? { preemptions: 0, gpuHoursLeft: this.gpuHours };
    for (const { event, text } of noticesOf(before, work, this.gpuHours)) this.notifier.tell(event, text);
    this.status.gpu = work;
    this.show();
  }

  /** Adds to the run's memo, which lists show. */
  remember(memo: Record<string, unknown>): void {
    this.visible.remember(memo);
  }

  private listen(): void {
    setHandler(statusQuery, () => this.status);
    for (const [decision, signal, update] of [
      ['approved', approveSignal, approveUpdate],
      ['rejected', rejectSignal, rejectUpdate],
    ] as const) {
      setHandler(signal, (message) => {
        const problem = this.refuseDecision(message);
        if (problem === null) this.decide(decision, message);
        else log.warn(`signal ignored: ${problem}`);
      });
      setHandler(
        update,
        (message) => {
          this.decide(decision, message);
          return decision;
        },
        {
          validator: (message) => {
            const problem = this.refuseDecision(message);
            if (problem !== null) throw new Error(problem);
          },
        },
      );
    }
    reportUnknownSignals(['approve', 'reject', 'pause', 'resume']);
  }

  private refuseDecision(message: DecisionMessage | undefined): string | null {
    if (typeof message?.by !== 'string' || message.by.trim() === '' || typeof message.reason !== 'string')
      return 'expected {"by": "your name", "reason": "why"}';
    if (this.approval !== null) return `already ${this.approval.decision} by ${this.approval.by}`;
    if (!this.approvalOpen) return `nothing to decide: the run is in phase ${this.status.phase ?? 'none'}`;
    return null;
  }

  private decide(decision: Approval['decision'], message: DecisionMessage): void {
    this.approval = { decision, by: message.by, reason: message.reason, at: Date.now() };
  }

  /** Waits for a person's decision; null when none came in time. */
  async waitForApproval({ verdict, reasons }: GateDecision, timeoutHours: number): Promise<Approval | null> {
    this.approvalOpen = true;
    this.status.state = 'waiting-for-approval';
    this.status.needs = `approve or reject: plein-air approve ${this.status.run} --by NAME --reason WHY`;
    this.show();
    this.notifier.tell(
      'needs-approval',
      [
        describeOutcome({ kind: 'waiting', verdict }).sentence,
        ...unmet(reasons),
        `${this.status.needs}`,
      ].join('\n'),
    );
    // Once the update has answered: the order of its answer and of what follows would else depend on the handler's ticks.
    await condition(() => this.approval !== null && allHandlersFinished(), timeoutHours * 3_600_000);
    this.approvalOpen = false;
    this.status.state = 'running';
    this.status.needs = null;
    return this.approval;
  }

  /** Runs GPU work that `pause` may hold, and says so while it does. */
  async holdable<T>(work: () => Promise<T>, isWhole: (result: T) => boolean): Promise<T> {
    await this.hold.untilResumed();
    return this.hold.run(work, isWhole);
  }

  /** Runs a study as a child that `pause` and `resume` of the run reach as well. */
  async followed<W extends Workflow>(
    start: () => Promise<ChildWorkflowHandle<W>>,
  ): Promise<WorkflowResultType<W>> {
    if (this.hold.paused) await this.hold.untilResumed();
    const child = await start();
    this.tellChild = (signal) => {
      if (!patched('pause-study')) return;
      this.showHeld(this.hold.paused);
      child
        .signal(signal)
        .catch((error: unknown) => log.warn(`${signal.name} did not reach the study: ${error}`));
    };
    // It has not heard of a pause that came while it was being started.
    if (this.hold.paused) this.tellChild(pauseSignal);
    try {
      return await child.result();
    } finally {
      this.tellChild = null;
    }
  }

  private showHeld(held: boolean): void {
    this.status.state = held ? 'paused' : 'running';
    this.status.needs = held ? `go on: plein-air resume ${this.status.run}` : null;
    this.show();
  }

  /** Marks a phase and shows it in the UI's current details. */
  mark(phase: Phase, status: PhaseStatus, result = ''): void {
    const record = this.status.phases.find((p) => p.name === phase);
    if (record === undefined) return;
    record.status = status;
    if (status === 'running') {
      record.startedAt = Date.now();
      this.status.phase = phase;
    } else if (status !== 'pending') record.endedAt = Date.now();
    if (result !== '') record.result = result;
    this.show();
  }

  /** Says in between how far a running phase is. */
  note(phase: Phase, words: string): void {
    const record = this.status.phases.find((p) => p.name === phase);
    if (record === undefined) return;
    record.result = words;
    this.show();
  }

  /** Shows the state where Temporal's own clients look: current details, search attributes. */
  show(): void {
    const { phase, state, gate, model } = this.status;
    this.visible.show({
      PleinAirModel: model,
      PleinAirPhase: phase,
      PleinAirState: state,
      PleinAirVerdict: gate?.verdict ?? null,
    });
    setCurrentDetails(describeRun(this.status));
  }
}

/** The sentences about rules that do not hold. */
function unmet(reasons: readonly string[]): string[] {
  return reasons.filter((reason) => !reason.startsWith('PASS'));
}
