import {
  ApplicationFailure,
  CancellationScope,
  isCancellation,
  log,
  patched,
  proxyActivities,
  startChild,
  workflowInfo,
} from '@temporalio/workflow';
import { parseRunConfig, type RunConfig } from '../../domain/config/run-config.ts';
import type { GateDecision } from '../../domain/evaluation/decision.ts';
import type { Release } from '../../domain/release/release.ts';
import type {
  DeployRequest,
  Documents,
  GpuActivities,
  PipelineActivities,
} from '../../domain/run/activities.ts';
import type { RunContext } from '../../domain/run/context.ts';
import { describeOutcome, outcomeOf } from '../../domain/run/outcome.ts';
import type { Phase } from '../../domain/run/phases.ts';
import type { RunResult } from '../../domain/run/run-result.ts';
import type { RunSummary } from '../../domain/run/summary.ts';
import type { Training } from '../../domain/training/training.ts';
import type { TrialParameters } from '../../domain/tuning/search-space.ts';
import { PREPARE_BY_SHARDS, prepareDataset } from '../prepare.ts';
import { LONG, PROMOTE, SHORT, UPLOAD } from '../support/activity-options.ts';
import { describeFailure, invalidInput } from '../support/failures.ts';
import { gpuActivities } from '../support/gpu-activities.ts';
import { tune } from '../tune/tune.ts';
import { RunState } from './run-state.ts';

const quick = proxyActivities<PipelineActivities>(SHORT);
const slow = proxyActivities<PipelineActivities>(LONG);
const upload = proxyActivities<PipelineActivities>(UPLOAD);
const promote = proxyActivities<PipelineActivities>(PROMOTE);

/** Measurements after the first that a run may ask for: four more looks, and a few whose rival was replaced meanwhile. */
const MOST_MEASUREMENTS = 8;

/** The pipeline: prepare, analyze, tune, train, evaluate, gate, deploy, document. */
export async function fineTune(input: unknown = {}): Promise<RunResult> {
  const parsed = parseRunConfig(input);
  if (!parsed.ok) throw invalidInput('fineTune', parsed.problems);
  const { workflowId, runId } = workflowInfo();
  const state = new RunState(parsed.value.run ?? workflowId, parsed.value);
  // What surrounds the run is no part of what the run is: nothing of it goes into records and releases.
  const { operations, ...context } = await quick.openRun({ config: parsed.value, workflowId, runId });
  state.open(context.run, operations);

  const summary: RunSummary = {
    context,
    phases: state.status.phases,
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
  // From the input: a context that was recorded by an older worker has no such section.
  const { acceptDifferences } = parsed.value.checkpoints;
  const pipeline = new Pipeline(context, summary, state, acceptDifferences);
  try {
    await pipeline.run();
    await pipeline.reports.settled();
  } catch (error) {
    await pipeline.reports.settled();
    const failure = describeFailure(error);
    const { kind, message } = failure;
    summary.failure = failure;
    state.status.failure = failure;
    state.status.state = isCancellation(error) ? 'cancelled' : 'failed';
    for (const phase of state.status.phases)
      if (phase.status === 'running') state.mark(phase.name, 'failed', message);
    await CancellationScope.nonCancellable(() => document(state, summary)).catch(() => undefined);
    if (!isCancellation(error)) state.notifier.tell('failed', describeOutcome(outcomeOf(summary)).sentence);
    await state.notifier.settled();
    if (isCancellation(error)) throw error;
    throw ApplicationFailure.create({ type: kind, message, nonRetryable: true });
  }
  const documents = await document(state, summary);
  state.status.state = 'done';
  state.show();
  const { word, sentence } = describeOutcome(outcomeOf(summary));
  state.notifier.tell('finished', `${word}. ${sentence}`);
  await state.notifier.settled();
  return result(summary, documents.report);
}

async function document(state: RunState, summary: RunSummary): Promise<Documents> {
  state.mark('document', 'running');
  const documents = await slow.document({ summary });
  state.mark('document', 'done', `report in ${documents.report.repo}`);
  return documents;
}

/**
 * The report as far as the run has come, so that one that is terminated or loses its server has its report, too. It is
 * written beside the next phase; a report that cannot be written stops nothing.
 */
class Reports {
  private last: Promise<unknown> = Promise.resolve();

  write(summary: RunSummary): void {
    const before = this.last;
    this.last = CancellationScope.nonCancellable(async () => {
      await before;
      try {
        await slow.document({ summary });
      } catch (error) {
        log.warn(`the report could not be kept up to date: ${describeFailure(error).message}`);
      }
    });
  }

  settled(): Promise<unknown> {
    return CancellationScope.nonCancellable(() => this.last);
  }
}

/** One run's phases in order; each leaves what it made in the summary. */
class Pipeline {
  private readonly config: RunConfig;
  private readonly acceptDifferences: string[];
  private readonly gpu: GpuActivities;
  private readonly context: RunContext;
  private readonly summary: RunSummary;
  private readonly state: RunState;
  readonly reports = new Reports();

  constructor(context: RunContext, summary: RunSummary, state: RunState, acceptDifferences: string[]) {
    this.acceptDifferences = acceptDifferences;
    this.context = context;
    this.summary = summary;
    this.state = state;
    this.config = context.config;
    this.gpu = gpuActivities(context.config, { moved: (gpuClass) => state.gpu.moved(gpuClass) });
  }

  async run(): Promise<void> {
    await this.prepare();
    this.report();
    await this.analyze();
    this.report();
    const parameters = await this.tune();
    this.report();
    await this.train(parameters);
    this.report();
    await this.evaluate();
    this.report();
    await this.gate();
    this.report();
    await this.deploy();
  }

  private async phase<T>(
    name: Phase,
    work: () => Promise<T>,
    tell: (made: T) => [string, boolean?],
  ): Promise<T> {
    this.state.mark(name, 'running');
    const made = await work();
    const [result, cached] = tell(made);
    this.state.mark(name, cached === true ? 'cached' : 'done', result);
    return made;
  }

  /** After a phase whose outcome stands in the summary. */
  private report(): void {
    if (patched('report-after-every-phase')) this.reports.write(this.summary);
  }

  private async prepare(): Promise<void> {
    this.summary.dataset = await this.phase(
      'prepare',
      () =>
        patched(PREPARE_BY_SHARDS)
          ? prepareDataset(this.context, {
              say: (words) => this.state.note('prepare', words),
              gpu: this.state.gpu,
            })
          : slow.prepare({ context: this.context }),
      (d) => [
        `${d.images.train} training, ${d.images.held_out} held-out and ${d.images.test} test images`,
        d.cached,
      ],
    );
  }

  private async analyze(): Promise<void> {
    const dataset = must(this.summary.dataset);
    const analysis = await this.phase(
      'analyze',
      () => slow.analyze({ context: this.context, dataset }),
      (a) => [a.verdict === 'ready' ? 'ready' : [a.verdict, ...a.reasons].join('; '), a.cached],
    );
    this.summary.analysis = analysis;
    if (analysis.verdict === 'blocked')
      throw ApplicationFailure.create({
        type: 'BadData',
        nonRetryable: true,
        message: `the dataset is not ready for training: ${analysis.reasons.join('; ')}`,
      });
  }

  private async tune(): Promise<TrialParameters> {
    if (this.config.tuning.strategy === 'fixed') {
      this.state.mark('tune', 'running');
      this.state.mark('tune', 'skipped', 'strategy fixed: trained as configured');
      return {};
    }
    const dataset = must(this.summary.dataset).dataset;
    const study = await this.phase(
      'tune',
      () =>
        this.state.followed(() =>
          startChild(tune, {
            workflowId: `${workflowInfo().workflowId}-tune`,
            args: [this.config, { context: this.context, dataset }],
            staticSummary: `study of ${this.config.tuning.trials} trials`,
          }),
        ),
      (s) => [
        `trial ${s.chosen} of ${s.trials.length}: ${Object.entries(s.parameters)
          .map(([k, v]) => `${k} ${typeof v === 'number' ? Number(v.toPrecision(3)) : v}`)
          .join(', ')}`,
      ],
    );
    this.summary.study = study;
    this.state.status.study = this.summary.study;
    return study.parameters;
  }

  private async train(parameters: TrialParameters): Promise<void> {
    const dataset = must(this.summary.dataset).dataset;
    const request = {
      context: this.context,
      dataset,
      lane: 'main',
      parameters,
      stopAtStep: null,
      // The chosen trial was trained with these very settings: its last checkpoint is this training's way so far.
      ...(this.summary.study === null ? {} : { continueFrom: `trial-${this.summary.study.chosen}` }),
      acceptDifferences: this.acceptDifferences,
    };
    this.summary.training = await this.phase(
      'train',
      () =>
        this.state.holdable<Training>(
          () => {
            this.state.gpu.queued('train', 'main');
            return this.gpu.train(request);
          },
          (t) => t.outcome === 'done',
        ),
      (t) => [
        `${t.step} steps, held-out loss ${t.heldOutLoss?.toFixed(4) ?? 'not measured'}, ${t.preemptions} preemptions, ${t.repeatedSteps} steps repeated`,
      ],
    );
    this.state.status.training = this.summary.training;
  }

  private async evaluate(): Promise<void> {
    const dataset = must(this.summary.dataset).dataset;
    this.summary.evaluation = await this.phase(
      'evaluate',
      async () => {
        const training = await this.chooseCheckpoint();
        return this.state.holdable(
          () => {
            this.state.gpu.queued('evaluate', '');
            return this.gpu.evaluate({ context: this.context, dataset, training });
          },
          () => true,
        );
      },
      (e) => [e.summary],
    );
  }

  /** The training with the checkpoint that goes to the gate: not always the last one. */
  private async chooseCheckpoint(): Promise<Training> {
    const training = must(this.summary.training);
    if (this.config.evaluation.checkpoints < 2 || !patched('choose-checkpoint')) return training;
    const dataset = must(this.summary.dataset).dataset;
    const choice = await this.state.holdable(
      () => {
        this.state.gpu.queued('chooseCheckpoint', '');
        return this.gpu.chooseCheckpoint({ context: this.context, dataset, training });
      },
      () => true,
    );
    this.summary.training = choice.training;
    this.state.status.training = choice.training;
    return choice.training;
  }

  private async gate(): Promise<void> {
    this.state.mark('gate', 'running');
    const gate = await this.judge();
    this.summary.gate = gate;
    this.state.status.gate = gate;
    this.state.notifier.tell('gate-verdict', `${gate.verdict}: ${gate.reasons.join('; ')}`);
    const { requireApproval, allowOverride, approvalTimeoutHours } = this.config.gate;
    // A run that was recorded before overrides has none in its configuration.
    if (gate.verdict === 'PASS' ? requireApproval : (allowOverride ?? false))
      this.summary.approval = await this.state.waitForApproval(gate, approvalTimeoutHours);
    const approval = this.summary.approval;
    this.state.status.approval = approval;
    const decision = approval === null ? '' : `, ${approval.decision} by ${approval.by}`;
    this.state.mark('gate', 'done', `${gate.verdict}${decision}`);
  }

  /** Judges; undecided, it asks for the further looks that were planned, and no more. */
  private async judge(): Promise<GateDecision> {
    let look = 1;
    let gate = await quick.judge({ context: this.context, evaluation: must(this.summary.evaluation) });
    for (
      let again = 0;
      gate.next !== undefined && again < MOST_MEASUREMENTS && patched('gate-looks');
      again++
    ) {
      if (gate.next === 'look') look += 1;
      const dataset = must(this.summary.dataset).dataset;
      const training = must(this.summary.training);
      const evaluation = await this.state.holdable(
        () => {
          this.state.gpu.queued('evaluate', '');
          return this.gpu.evaluate({ context: this.context, dataset, training, look });
        },
        () => true,
      );
      this.summary.evaluation = evaluation;
      gate = await quick.judge({ context: this.context, evaluation, look });
    }
    return gate;
  }

  private async deploy(): Promise<void> {
    const gate = must(this.summary.gate);
    const overridden = this.config.gate.allowOverride && this.summary.approval?.decision === 'approved';
    if (gate.verdict !== 'PASS' && !overridden)
      return this.state.mark('deploy', 'skipped', `verdict ${gate.verdict}: nothing is released`);
    if (this.config.gate.requireApproval && this.summary.approval?.decision !== 'approved') {
      const why = this.summary.approval === null ? 'nobody approved in time' : 'rejected';
      return this.state.mark('deploy', 'skipped', `${why}: nothing is released`);
    }
    const request: DeployRequest = {
      context: this.context,
      dataset: must(this.summary.dataset),
      training: must(this.summary.training),
      evaluation: must(this.summary.evaluation),
      gate,
      approval: this.summary.approval,
    };
    this.summary.release = await this.phase(
      'deploy',
      () => (patched('deploy-in-stages') ? this.release(request) : slow.deploy(request)),
      (r) => [
        `${r.release.repo} ${r.release.tag}${r.space === null ? '' : `, Space ${r.space.repo}`}`,
        r.cached,
      ],
    );
    this.state.status.release = this.summary.release;
    this.state.remember({
      release: `${this.summary.release.release.repo} ${this.summary.release.release.tag}`,
    });
  }

  /** Publish the candidate, load it as a user would, then put it into production; what fails half-way is put back. */
  private async release(asked: DeployRequest): Promise<Release> {
    const request = await this.withVariants(asked);
    const candidate = await upload.publishRelease(request);
    await this.state.holdable(
      () => this.gpu.tryRelease({ context: this.context, candidate, evaluation: request.evaluation }),
      () => true,
    );
    try {
      return await promote.deploy(request);
    } catch (error) {
      const { message } = describeFailure(error);
      await CancellationScope.nonCancellable(() =>
        promote.settleDeploy({ ...request, reason: message }),
      ).catch((second) => log.error(`deployment not settled: ${describeFailure(second).message}`));
      throw error;
    }
  }

  private async withVariants(request: DeployRequest): Promise<DeployRequest> {
    const { evaluation } = request;
    // A run that was recorded before there were variants has none in its configuration.
    if ((this.config.deployment.variants ?? []).length === 0) return request;
    const variants = await this.state.holdable(
      () => this.gpu.makeVariants({ context: this.context, evaluation }),
      () => true,
    );
    return { ...request, variants };
  }
}

function must<T>(value: T | null): T {
  if (value === null)
    throw ApplicationFailure.nonRetryable('a phase ran before the one it needs', 'Internal');
  return value;
}

function result(summary: RunSummary, report: RunResult['report']): RunResult {
  const { dataset } = summary;
  return {
    run: summary.context.run,
    verdict: summary.gate?.verdict ?? null,
    phases: summary.phases,
    dataset:
      dataset === null
        ? null
        : {
            ...dataset.dataset,
            images: dataset.images.train + dataset.images.held_out + dataset.images.test,
            dropped: Object.values(dataset.dropped).reduce((a, b) => a + b, 0),
          },
    training: summary.training,
    evaluation: summary.evaluation?.report ?? null,
    gate: summary.gate,
    approval: summary.approval,
    release: summary.release,
    report,
  };
}
