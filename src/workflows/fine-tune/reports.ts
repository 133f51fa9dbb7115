import { CancellationScope, log, proxyActivities, sleep } from '@temporalio/workflow';
import type { Documents, PipelineActivities } from '../../domain/run/activities.ts';
import type { Failure } from '../../domain/run/outcome.ts';
import type { RunSummary } from '../../domain/run/summary.ts';
import { CANCELLED_REPORT_MS, FAILURE_REPORT, REPORT } from '../support/activity-options.ts';
import { isCancelRequested } from '../support/ending.ts';
import { describeFailure } from '../support/failures.ts';

type Documenting = Pick<PipelineActivities, 'document'>;

/**
 * A run's report: written after every phase beside the next one, so that a run that is terminated or loses its server has a
 * report, too; and once at the end. No report that cannot be written stops a run.
 */
export class Reports {
  #summary: RunSummary;
  #last: Promise<unknown> = Promise.resolve();
  readonly #scope = new CancellationScope({ cancellable: false });

  constructor(start: Pick<RunSummary, 'context' | 'phases'>) {
    this.#summary = {
      ...start,
      dataset: null,
      analysis: null,
      study: null,
      training: null,
      evaluation: null,
      gate: null,
      approval: null,
      release: null,
      failure: null,
    };
  }

  /** What the run knows so far, for the report alone: phases hand their results to each other. */
  get summary(): RunSummary {
    return this.#summary;
  }

  /** Takes up what a phase made. */
  record(made: Partial<RunSummary>): void {
    this.#summary = { ...this.#summary, ...made };
  }

  /** Brings the report up to date without waiting for it. */
  update(): void {
    const before = this.#last;
    const summary = this.#summary;
    this.#last = this.#scope.run(async () => {
      await before;
      await this.#attempt(() => proxyActivities<Documenting>(REPORT).document({ summary }));
    });
  }

  /** Waits for the reports under way. */
  settled(): Promise<unknown> {
    return CancellationScope.nonCancellable(() => this.#last);
  }

  /** The report of a run that failed or was cancelled; a cancelled one does not wait long for it. */
  async writeLast(failure: Failure): Promise<void> {
    this.record({ failure });
    const cancelled = isCancelRequested();
    await CancellationScope.nonCancellable(async () => {
      await (cancelled ? Promise.race([this.#last, sleep(CANCELLED_REPORT_MS / 2)]) : this.#last);
      const options = cancelled
        ? { ...REPORT, scheduleToCloseTimeout: CANCELLED_REPORT_MS / 2 }
        : FAILURE_REPORT;
      const summary = this.#summary;
      await this.#attempt(() => proxyActivities<Documenting>(options).document({ summary }));
    });
  }

  async #attempt(write: () => Promise<Documents>): Promise<void> {
    try {
      await write();
    } catch (error) {
      log.warn(`the report could not be brought up to date: ${describeFailure(error).message}`);
    }
  }
}
