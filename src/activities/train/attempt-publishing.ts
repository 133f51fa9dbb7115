import { readFileSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type CommitSha, Sha256 } from '../../domain/refs.ts';
import type { TrainerEvent } from '../../domain/trainer-protocol.ts';
import { CheckpointManifest, fingerprintDifferences } from '../../domain/training/checkpoint.ts';
import { secondsBetweenPreemptions } from '../../domain/training/checkpoint-interval.ts';
import type { StoragePlan } from '../../domain/training/checkpoint-storage.ts';
import { type AttemptRecord, ledgerTotals, type TrainingLedger } from '../../domain/training/ledger.ts';
import { parseJson } from '../../hub/verified-json.ts';
import { EVENTS_FILE, tensorboardEvents } from '../../reports/figures/tensorboard.ts';
import type { ActivityContext } from '../support/activity-context.ts';
import { MANIFEST } from '../support/checkpoint-folder.ts';
import { alive } from '../support/watchdog.ts';
import { dropOlderCopies } from './attempt-folder.ts';
import type { AttemptProgress } from './attempt-progress.ts';
import type { LocalSave } from './checkpoint-commit.ts';
import { CheckpointClock } from './checkpoint-timer.ts';
import { reportedMetrics, type TakenBranch } from './fence.ts';
import type { TrainDeps, TrainPlan } from './plan.ts';
import { TrainingRecord } from './progress-images.ts';
import { type AttemptEnd, CheckpointPublisher } from './publisher.ts';
import type { ResumePoint } from './resume.ts';

/** How many checkpoints stay on the Hub, and how often their history is squashed. */
export type Retention = Pick<Extract<StoragePlan, { fits: true }>, 'keepEvery' | 'squashEvery'>;

/** What an attempt publishes with, and what it tells when it cannot. */
export interface PublishingStart {
  deps: TrainDeps;
  plan: TrainPlan;
  activity: ActivityContext;
  taken: TakenBranch;
  /** The attempt's own folder. */
  folder: string;
  progress: AttemptProgress;
  /** Called once when nothing more can be published. */
  onFailure: (error: unknown) => void;
  log: (line: string) => void;
}

/** What one attempt puts on the Hub: checkpoints at the right times, pictures and curves, its ledger and its end. */
export class AttemptPublishing {
  readonly #p: PublishingStart;
  readonly #clock: CheckpointClock;
  readonly #record: TrainingRecord;
  #publisher: CheckpointPublisher | null = null;
  #resumedWith: ResumePoint['fingerprint'] = null;
  /** The last step's checkpoint, which waits for the training's result. */
  #lastSave: LocalSave | null = null;

  constructor(p: PublishingStart) {
    this.#p = p;
    this.#clock = new CheckpointClock({
      limits: p.plan.checkpoints,
      betweenPreemptions: () => secondsBetweenPreemptions(ledgerTotals(this.ledger)),
      saveSecondsBefore: reportedMetrics(p.activity).checkpointSaveSeconds ?? null,
      ask: () => p.deps.trainer.checkpoint(),
    });
    this.#record = new TrainingRecord({
      hub: p.deps.hub,
      record: { type: 'dataset', repo: p.plan.request.context.repos.record },
      log: p.log,
    });
  }

  /** The branch's ledger, this attempt in it, as published. */
  get ledger(): TrainingLedger {
    return this.#publisher?.ledger ?? this.#p.taken.ledger;
  }

  /** Begins to publish on a head whose checkpoints were verified. */
  open(
    from: Pick<ResumePoint, 'head' | 'checkpoints' | 'damaged' | 'damagedFolders'>,
    retention: Retention,
  ): void {
    this.#publisher = this.#createPublisher(from, retention);
    this.#publisher.amend({ damaged: from.damaged });
  }

  /** Names the step and the fingerprint that this attempt continues from. */
  startAt({ step, fingerprint }: Pick<ResumePoint, 'step' | 'fingerprint'>): void {
    this.#resumedWith = fingerprint;
    this.amend({ resumedFrom: step, reached: step });
  }

  /** Changes this attempt's record in the ledger; the next commit carries it. */
  amend(change: Partial<AttemptRecord>): void {
    this.#publisher?.amend(change);
  }

  /** Takes checkpoints, pictures and stalls from the trainer's events. */
  onEvent(event: TrainerEvent): void {
    if (event.event === 'metric' && event.values.checkpointStallSeconds !== undefined)
      this.#clock.stalled(event.values.checkpointStallSeconds);
    if (event.event === 'sample')
      this.#record.offer(
        `samples/${this.#p.plan.request.branch}/${basename(event.path)}`,
        readFile(event.path),
      );
    if (event.event === 'checkpoint') {
      const save = { step: event.step, path: event.path, manifestSha256: Sha256.parse(event.manifestSha256) };
      this.#clock.saved(save.path);
      this.#recordAccepted(save.path);
      // The last one waits for the result, so that both land in one commit.
      if (save.step < this.#p.plan.lastStep) this.#publisher?.offer(save);
      else this.#lastSave = save;
    }
    if (event.event === 'progress' && event.stage === 'train') this.#clock.start();
  }

  /** Asks for no checkpoint any more. */
  stopClock(): void {
    this.#clock.stop();
  }

  /** Hands over the last step's checkpoint, which waited for the training's result. */
  offerLast(): void {
    if (this.#lastSave !== null) this.#publisher?.offer(this.#lastSave);
  }

  /** Publishes the attempt's end with the checkpoint that waits; of one that never began, its ledger alone. */
  async settle(end: AttemptEnd, limitMs: number): Promise<CommitSha> {
    const { progress, taken, plan } = this.#p;
    this.#publisher ??= this.#createPublisher(taken, plan.checkpoints);
    const publisher = this.#publisher;
    progress.report({ kind: 'stage', stage: 'publish', done: 0, total: 1, etaSeconds: null });
    return alive(
      () => progress.beat(),
      () => publisher.settle(end, limitMs),
    );
  }

  /** Adds the curves as TensorBoard reads them, and waits until pictures and curves are on the Hub or given up. */
  async settleRecord(): Promise<void> {
    const events = tensorboardEvents(this.#p.progress.metrics);
    this.#record.offer(`runs/${this.#p.plan.request.branch}/${EVENTS_FILE}`, Promise.resolve(events));
    await this.#record.settle();
  }

  /** Publishes nothing more; waits for a commit that is under way. */
  async discard(): Promise<void> {
    await this.#publisher?.discard();
  }

  #createPublisher(
    from: Pick<ResumePoint, 'head' | 'checkpoints' | 'damagedFolders'>,
    retention: Retention,
  ): CheckpointPublisher {
    const { plan, taken, folder, progress, onFailure, log } = this.#p;
    const { training } = plan.request.context.config;
    const dropCopy = (path: string) => void rm(path, { recursive: true, force: true }).catch(() => undefined);
    return new CheckpointPublisher({
      branch: plan.branch,
      token: taken.token,
      head: from.head,
      ledger: taken.ledger,
      checkpoints: from.checkpoints,
      damagedFolders: from.damagedFolders,
      keep: { newest: training.keepCheckpoints, every: retention.keepEvery },
      squashEvery: retention.squashEvery,
      minGapMs: plan.checkpoints.minSeconds * 1000,
      unsavedLimitMs: plan.checkpoints.unsavedMinutes * 60_000,
      metrics: () => progress.metrics,
      standing: () => ({ step: progress.step, gpuSeconds: progress.gpuSeconds }),
      onPublished: (save, commit) => {
        const checkpointSaveSeconds = this.#clock.published(save.path);
        if (checkpointSaveSeconds !== null)
          progress.report({ kind: 'metrics', values: { checkpointSaveSeconds } });
        progress.report({ kind: 'checkpoint', step: save.step, commit, at: Date.now() });
        void dropOlderCopies(join(folder, 'checkpoints'), save.path);
      },
      onSuperseded: (save) => dropCopy(save.path),
      onFailure,
      log,
    });
  }

  /** The first checkpoint shows what differs from the one it was made from: all of it was accepted, or nothing would run. */
  #recordAccepted(path: string): void {
    if (this.#resumedWith === null) return;
    const manifest = join(path, MANIFEST);
    const { fingerprint } = parseJson(readFileSync(manifest), CheckpointManifest, manifest);
    const accepted = fingerprintDifferences(this.#resumedWith, fingerprint);
    this.#resumedWith = null;
    if (accepted.length === 0) return;
    this.#p.log(`continues although ${accepted.join('; ')}: accepted by checkpoints.acceptDifferences`);
    this.amend({ accepted });
  }
}
