import { setCurrentDetails, setHandler, workflowInfo } from '@temporalio/workflow';
import type { RunConfig } from '../../domain/config/run-config.ts';
import type { Approval, GateDecision } from '../../domain/evaluation/decision.ts';
import type { Operations } from '../../domain/run/activities.ts';
import type { GpuWork } from '../../domain/run/gpu-report.ts';
import { noticesOf } from '../../domain/run/notices.ts';
import { describeOutcome, type Failure } from '../../domain/run/outcome.ts';
import { PHASES, type Phase, type PhaseStatus } from '../../domain/run/phases.ts';
import type { RunStatus } from '../../domain/run/run-result.ts';
import { describeRun } from '../support/describe-run.ts';
import { GpuWatch } from '../support/gpu-watch.ts';
import { statusQuery } from '../support/messages.ts';
import { Notifier } from '../support/notifier.ts';
import { Pause, type PauseSignal } from '../support/pause.ts';
import { reportUnknownSignals } from '../support/unknown-signals.ts';
import { Visible } from '../support/visibility.ts';
import { ApprovalDesk } from './approval.ts';

/** The state of one run: what answers queries, and what messages change. */
export class RunState {
  readonly status: RunStatus;
  readonly gpu: GpuWatch;
  readonly pause: Pause;
  readonly desk = new ApprovalDesk(() => this.status.phase ?? 'none');
  notifier = new Notifier(undefined, { run: '', model: '' });
  /** Sees pause and resume as well: the study, while there is one. */
  onPauseSignal: ((signal: PauseSignal) => void) | null = null;
  #cancelling = false;
  #ended: 'done' | 'failed' | 'cancelled' | null = null;
  #visible = new Visible(undefined);
  readonly #gpuHours: number;
  readonly #money: number | null;

  constructor(config: RunConfig) {
    const run = config.run ?? workflowInfo().workflowId;
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
    this.#gpuHours = config.budget.gpuHours;
    this.#money = config.budget.money;
    this.pause = new Pause({
      onSignal: (signal) => this.onPauseSignal?.(signal),
      onState: () => this.show(),
    });
    this.gpu = new GpuWatch(this.#gpuHours, (work) => this.#onGpuWork(work));
    setHandler(statusQuery, () => this.status);
    for (const part of [this.desk, this.pause, this.gpu]) part.listen();
    reportUnknownSignals(['approve', 'reject', 'pause', 'resume', 'budgetSpent']);
  }

  /** From here on the state is shown and sent where the service around the run can. */
  open(run: string, operations: Operations | undefined): void {
    this.status.run = run;
    this.notifier = new Notifier(operations, { run, model: this.status.model });
    this.#visible = new Visible(operations);
    const money = this.#money === null ? {} : { money: this.#money };
    this.#visible.remember({ run, model: this.status.model, profile: this.status.profile, ...money });
  }

  /** Somebody asked for the run to be cancelled. */
  cancelling(): void {
    this.#cancelling = true;
    this.show();
  }

  /** The phase under way ended early, as all after it. */
  stopPhases(how: 'failed' | 'cancelled', failure: Failure): void {
    this.status.failure = failure;
    for (const { name, status } of this.status.phases)
      if (status === 'running') this.mark(name, how, failure.message);
    this.show();
  }

  /** The run is over. */
  end(how: 'done' | 'failed' | 'cancelled'): void {
    this.#ended = how;
    this.show();
  }

  /** Waits for a person's decision about a candidate; null when none came in time. */
  async approval({ verdict, reasons }: GateDecision, timeoutHours: number): Promise<Approval | null> {
    const decision = this.desk.decision(timeoutHours);
    this.show();
    const { sentence } = describeOutcome({ kind: 'waiting', verdict });
    const unmet = reasons.filter((reason) => !reason.startsWith('PASS'));
    this.notifier.tell('needs-approval', [sentence, ...unmet, this.#approvalCommand()].join('\n'));
    try {
      return await decision;
    } finally {
      this.show();
    }
  }

  /** Marks a phase and shows it. */
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

  /** Says how far a running phase is. */
  note(phase: Phase, words: string): void {
    const record = this.status.phases.find((p) => p.name === phase);
    if (record === undefined) return;
    record.result = words;
    this.show();
  }

  /** Adds to the run's memo, which lists show. */
  remember(memo: Record<string, unknown>): void {
    this.#visible.remember(memo);
  }

  /** Shows the state where Temporal's own clients look: current details, search attributes. */
  show(): void {
    this.status.state = this.#state();
    this.status.needs = this.#needs();
    const { phase, state, gate, model } = this.status;
    this.#visible.show({
      PleinAirModel: model,
      PleinAirPhase: phase,
      PleinAirState: state,
      PleinAirVerdict: gate?.verdict ?? null,
    });
    setCurrentDetails(describeRun(this.status));
  }

  #state(): RunStatus['state'] {
    if (this.#ended !== null) return this.#ended;
    if (this.#cancelling) return 'cancelling';
    if (this.pause.state !== 'running') return this.pause.state;
    return this.desk.isOpen ? 'waiting-for-approval' : 'running';
  }

  /** Commands take the workflow's id: a run that was started by another client may have a name that differs from it. */
  #needs(): string | null {
    const { state } = this.status;
    if (state === 'pausing' || state === 'paused')
      return `continue: plein-air resume ${quoted(workflowInfo().workflowId)}`;
    return state === 'waiting-for-approval' ? this.#approvalCommand() : null;
  }

  #approvalCommand(): string {
    return `approve or reject: plein-air approve ${quoted(workflowInfo().workflowId)} --by NAME --reason WHY`;
  }

  #onGpuWork(work: GpuWork): void {
    const before = this.status.gpu ?? { preemptions: 0, gpuHoursLeft: this.#gpuHours };
    for (const { event, text } of noticesOf(before, work, this.#gpuHours)) this.notifier.tell(event, text);
    this.status.gpu = work;
    this.show();
  }
}

/** A name as a shell takes it. */
const quoted = (name: string) => (/^[\w.-]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`);
