import {
  CancellationScope,
  CancelledFailure,
  condition,
  log,
  setCurrentDetails,
  setDefaultSignalHandler,
  setHandler,
} from '@temporalio/workflow';
import type { Approval } from '../domain/activities.ts';
import { PHASES, type Phase, type PhaseStatus } from '../domain/phases.ts';
import type { RunConfig } from '../domain/run-config.ts';
import type { RunStatus } from '../domain/run-result.ts';
import {
  approveSignal,
  approveUpdate,
  type DecisionMessage,
  pauseSignal,
  rejectSignal,
  rejectUpdate,
  resumeSignal,
  statusQuery,
} from './messages.ts';

/** The state of one run, what answers queries and what signals change. */
export class RunState {
  readonly status: RunStatus;
  private paused = false;
  private interruptible: CancellationScope | null = null;
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
      study: null,
      training: null,
      verdict: null,
      reasons: [],
      release: null,
      failure: null,
    };
    this.listen();
  }

  private listen(): void {
    setHandler(statusQuery, () => this.status);
    setHandler(pauseSignal, () => {
      this.paused = true;
      this.interruptible?.cancel();
    });
    setHandler(resumeSignal, () => {
      this.paused = false;
    });
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
    setDefaultSignalHandler((name) => {
      log.warn(`unknown signal "${name}": expected approve, reject, pause or resume; nothing was changed`);
    });
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
  async waitForApproval(timeoutHours: number): Promise<Approval | null> {
    this.approvalOpen = true;
    this.status.state = 'waiting-for-approval';
    this.status.needs = `approve or reject: plein-air approve ${this.status.run} --by NAME --reason WHY`;
    this.show();
    await condition(() => this.approval !== null, timeoutHours * 3_600_000);
    this.approvalOpen = false;
    this.status.state = 'running';
    this.status.needs = null;
    return this.approval;
  }

  /**
   * Runs GPU work that `pause` may interrupt: it is asked to checkpoint and stop, held until `resume`, and called again.
   * A cancelled run checkpoints in the same way and then ends.
   */
  async holdable<T>(work: () => Promise<T>, isWhole: (result: T) => boolean): Promise<T> {
    for (;;) {
      await this.holdWhilePaused();
      const scope = new CancellationScope();
      this.interruptible = scope;
      try {
        const result = await scope.run(work);
        if (isWhole(result)) return result;
      } catch (error) {
        if (!this.paused) throw error;
      } finally {
        this.interruptible = null;
      }
      if (CancellationScope.current().consideredCancelled)
        throw new CancelledFailure('cancelled; the checkpoint is on the Hub');
    }
  }

  private async holdWhilePaused(): Promise<void> {
    if (!this.paused) return;
    this.status.state = 'paused';
    this.status.needs = `go on: plein-air resume ${this.status.run}`;
    this.show();
    await condition(() => !this.paused);
    this.status.state = 'running';
    this.status.needs = null;
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

  /** Writes the state as Markdown for the Temporal UI. */
  show(): void {
    const rows = this.status.phases.map((p) => {
      const seconds =
        p.startedAt === null || p.endedAt === null
          ? ''
          : `${((p.endedAt - p.startedAt) / 1000).toFixed(0)} s`;
      return `| ${p.name} | ${p.status} | ${p.result.replaceAll('|', '/').replaceAll('\n', ' ')} | ${seconds} |`;
    });
    const needs = this.status.needs === null ? '' : `\n**Needs you:** ${this.status.needs}\n`;
    setCurrentDetails(
      `**${this.status.run}** (${this.status.profile}) is ${this.status.state}\n${needs}\n| phase | status | result | time |\n|---|---|---|---|\n${rows.join('\n')}`,
    );
  }
}
