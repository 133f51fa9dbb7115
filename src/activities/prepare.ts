import { AsyncResource } from 'node:async_hooks';
import { createHash, randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { z } from 'zod';
import type { PipelineActivities, PreparedDataset, RunContext } from '../domain/activities.ts';
import { type GroupPlan, type LabelledGroup, planReads } from '../domain/dataset-plan.ts';
import { DatasetManifest } from '../domain/dataset-record.ts';
import { PipelineError } from '../domain/errors.ts';
import { type CommitRef, type CommitSha, RepoId, type RepoRef, Sha256 } from '../domain/refs.ts';
import type { DatasetConfig } from '../domain/run-config.ts';
import type { Hub } from '../hub/hub.ts';
import { type FileLabels, openSource, passLabels, type Source } from '../wikiart/label-pass.ts';
import { inFlight } from './in-flight.ts';
import { assemble } from './prepare-assemble.ts';
import { groupName, prepareShard } from './prepare-shard.ts';
import { type GroupResult, PrepareStore } from './prepare-store.ts';

/** Grows when preparation changes what it writes, so that a dataset made by older code is not taken for the same. */
const PREPARATION_VERSION = 1;
/** Files whose labels are read at the same time. */
const LABELS_IN_FLIGHT = 4;

/** What preparation says while it works; `done` of `total` pictures, row groups or files. */
export interface PrepareProgress {
  stage: 'labels' | 'pictures' | 'writing' | 'uploading';
  done: number;
  total: number;
}

export interface PrepareDeps {
  hub: Hub;
  /** Folder for work in progress; results in it survive a retry on the same machine. */
  workDir: string;
  heartbeat(progress: PrepareProgress): void;
  /** Asked for at the start of each call. */
  signal?: () => AbortSignal | undefined;
}

/**
 * Makes the `prepare` activity: source in, clean and split dataset repository out, or the one that is there already. Two
 * calls for the same dataset at once share one piece of work.
 */
export function createPrepare(deps: PrepareDeps): PipelineActivities['prepare'] {
  const running = new Map<Sha256, SharedWork>();
  return async ({ context }) => {
    const key = preparationKey(context.source, context.config.dataset, context.config.seed);
    const repo = preparedRepo(context.namespace, context.config.dataset.style, key);
    // Temporal knows which activity a heartbeat is of by the asynchronous context that it is sent from.
    const heartbeat = AsyncResource.bind(deps.heartbeat);
    for (let shared = running.get(key); shared !== undefined; shared = running.get(key)) {
      shared.listeners.add(heartbeat);
      await shared.done.catch(() => undefined);
    }
    const listeners = new Set([heartbeat]);
    const work = new Preparation(
      { ...deps, heartbeat: (p) => tell(listeners, p) },
      { context, key, repo },
    ).run();
    running.set(key, { done: work, listeners });
    try {
      return await work;
    } finally {
      running.delete(key);
    }
  };
}

/** A preparation under way and everybody who waits for it. */
interface SharedWork {
  done: Promise<unknown>;
  listeners: Set<PrepareDeps['heartbeat']>;
}

function tell(listeners: ReadonlySet<PrepareDeps['heartbeat']>, progress: PrepareProgress): void {
  for (const listener of listeners) listener(progress);
}

/** Cache key of a preparation: everything that decides its bytes. */
export function preparationKey(source: CommitRef, config: DatasetConfig, seed: number): Sha256 {
  const facts = {
    version: PREPARATION_VERSION,
    libvips: sharp.versions.vips,
    source: `${source.repo}@${source.commit}`,
    settings: settingsOf(config),
    seed,
  };
  return Sha256.parse(createHash('sha256').update(canonical(facts)).digest('hex'));
}

/** Repository that a preparation is published in. */
export function preparedRepo(namespace: string, style: string, key: Sha256): RepoRef {
  const slug = style
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '')
    .slice(0, 60);
  return { type: 'dataset', repo: RepoId.parse(`${namespace}/${slug || 'dataset'}-${key.slice(0, 12)}`) };
}

class Preparation {
  private readonly deps: PrepareDeps;
  private readonly config: DatasetConfig;
  private readonly seed: number;
  private readonly at: CommitRef;
  private readonly key: Sha256;
  private readonly repo: RepoRef;
  private readonly folder: string;
  private readonly signal: AbortSignal | undefined;

  constructor(
    deps: PrepareDeps,
    { context, key, repo }: { context: RunContext; key: Sha256; repo: RepoRef },
  ) {
    this.deps = deps;
    this.config = context.config.dataset;
    this.seed = context.config.seed;
    this.at = context.source;
    this.key = key;
    this.repo = repo;
    this.folder = join(deps.workDir, 'prepare', this.key.slice(0, 24));
    this.signal = deps.signal?.();
  }

  async run(): Promise<PreparedDataset> {
    const { hub } = this.deps;
    const present = await findPrepared(hub, this.repo, this.key);
    if (present !== null) return this.result(present.commit, present.manifest, true);
    const source = await openSource(hub, this.at);
    if (source.files.length === 0)
      throw new PipelineError(
        'BadData',
        `Expected parquet files in dataset ${this.at.repo} at ${this.at.commit}, got none: check dataset.source and dataset.revision`,
      );
    const store = new PrepareStore(this.folder);
    const labels = await this.labelPass(source, store);
    const labelled = labels.flatMap(({ groups }, fileIndex) =>
      groups.map(
        (group): LabelledGroup => ({ ...group, file: source.files[fileIndex]?.path ?? '', fileIndex }),
      ),
    );
    this.checkStyle(labelled);
    const plan = planReads(labelled, this.config, this.seed);
    await this.preparePictures(source, store, labels, plan.groups);
    const groups: GroupResult[] = [];
    for (const group of plan.groups) {
      const name = groupName(group);
      const result = await store.group(name);
      if (result === null)
        throw new PipelineError(
          'Internal',
          `Expected the result of row group ${name} in ${this.folder}, got none`,
        );
      groups.push(result);
    }
    let written = 0;
    const assembled = await assemble({
      key: this.key,
      settings: { ...settingsOf(this.config), seed: this.seed },
      config: this.config,
      seed: this.seed,
      source,
      plan,
      groups,
      bytesRead: bytesReadOf(labels, plan.groups, groups),
      store,
      out: join(this.folder, `dataset-${randomUUID()}`),
      onGroup: () => {
        written += 1;
        this.deps.heartbeat({ stage: 'writing', done: written, total: groups.length });
      },
    });
    this.signal?.throwIfAborted();
    this.deps.heartbeat({ stage: 'uploading', done: 0, total: assembled.files.length });
    await hub.ensureRepo(this.repo, { private: true });
    const commit = await hub.commit({
      repo: this.repo,
      message: `Prepare ${this.config.style} from ${this.at.repo}@${this.at.commit.slice(0, 12)}`,
      files: assembled.files.map(({ path, file }) => ({ path, content: { file } })),
      ...(this.signal === undefined ? {} : { signal: this.signal }),
    });
    await rm(this.folder, { recursive: true, force: true });
    return this.result(commit, assembled.manifest, false);
  }

  /** Labels of every file; those in the work folder are not read again. */
  private async labelPass(source: Source, store: PrepareStore): Promise<FileLabels[]> {
    let done = 0;
    return inFlight(source.files, LABELS_IN_FLIGHT, async (entry, at) => {
      this.signal?.throwIfAborted();
      const name = `labels-${String(at).padStart(5, '0')}.json`;
      let labels = await store.readJson(name, StoredLabels);
      if (labels === null) {
        labels = await passLabels(this.deps.hub, source, entry, this.signal);
        await store.writeJson(name, labels);
      }
      done += 1;
      this.deps.heartbeat({ stage: 'labels', done, total: source.files.length });
      return labels;
    });
  }

  private async preparePictures(
    source: Source,
    store: PrepareStore,
    labels: readonly FileLabels[],
    plans: readonly GroupPlan[],
  ): Promise<void> {
    const total = plans.reduce((sum, plan) => sum + plan.wanted.length + plan.neighbours.length, 0);
    let done = 0;
    for (const [fileIndex, entry] of source.files.entries()) {
      const groups = plans
        .filter((plan) => plan.fileIndex === fileIndex)
        .map((plan) => ({ plan, labels: labelsOf(labels, plan) }));
      if (groups.length === 0) continue;
      await prepareShard(
        { source, entry, groups, config: this.config },
        {
          hub: this.deps.hub,
          store,
          signal: this.signal,
          onPicture: () => {
            done += 1;
            this.deps.heartbeat({ stage: 'pictures', done, total });
          },
        },
      );
    }
  }

  private checkStyle(groups: readonly LabelledGroup[]): void {
    const styles = new Set(groups.flatMap((group) => group.styles));
    if (!styles.has(this.config.style))
      throw new PipelineError(
        'BadData',
        `Expected pictures of style ${JSON.stringify(this.config.style)} in ${this.at.repo}, got only ${[...styles].sort().join(', ')} (dataset.style)`,
      );
    const genres = new Set(groups.flatMap((group) => group.genres));
    const missing = this.config.genres.filter((genre) => !genres.has(genre));
    if (missing.length > 0)
      throw new PipelineError(
        'BadData',
        `Expected genres of ${this.at.repo}, got unknown ${missing.join(', ')}: it has ${[...genres].sort().join(', ')} (dataset.genres)`,
      );
  }

  private result(commit: CommitSha, manifest: DatasetManifest, cached: boolean): PreparedDataset {
    return { dataset: { ...this.repo, commit }, images: manifest.images, dropped: manifest.dropped, cached };
  }
}

const StoredLabels: z.ZodType<FileLabels> = z.strictObject({
  groups: z.array(
    z.strictObject({
      group: z.int(),
      firstRow: z.int(),
      rows: z.int(),
      imageBytes: z.int(),
      artists: z.array(z.string()),
      genres: z.array(z.string()),
      styles: z.array(z.string()),
    }),
  ),
  bytesRead: z.int(),
  footerBytes: z.int(),
});

/** A prepared dataset that is on the Hub and whole: its key and every file's size and sha256 are as its manifest says. */
export async function findPrepared(
  hub: Hub,
  repo: RepoRef,
  key: Sha256,
): Promise<{ commit: CommitSha; manifest: DatasetManifest } | null> {
  const commit = await hub.resolve(repo);
  if (commit === null) return null;
  const [bytes, entries] = await Promise.all([
    hub.read(repo, commit, 'manifest.json'),
    hub.list(repo, commit),
  ]);
  if (bytes === null) return null;
  const parsed = DatasetManifest.safeParse(parseJson(bytes.toString('utf8')));
  if (!parsed.success || parsed.data.key !== key) return null;
  const listed = new Map(entries.map((entry) => [entry.path, entry]));
  for (const file of parsed.data.files) {
    const entry = listed.get(file.path);
    if (entry === undefined || entry.bytes !== file.bytes) return null;
    if (entry.sha256 !== null && entry.sha256 !== file.sha256) return null;
  }
  return { commit, manifest: parsed.data };
}

/** The settings that decide the dataset's bytes: not how many pictures a run needs, nor the branch that was resolved. */
function settingsOf(config: DatasetConfig): Record<string, unknown> {
  const { minTrainingImages: _, revision: __, source: ___, ...settings } = config;
  return settings;
}

function labelsOf(labels: readonly FileLabels[], plan: GroupPlan) {
  const found = labels[plan.fileIndex]?.groups[plan.group];
  if (found === undefined)
    throw new PipelineError('Internal', `Expected labels of row group ${groupName(plan)}, got none`);
  return found;
}

function bytesReadOf(
  labels: readonly FileLabels[],
  plans: readonly GroupPlan[],
  groups: readonly GroupResult[],
): number {
  const opened = new Set(plans.map((plan) => plan.fileIndex));
  const labelBytes = labels.reduce(
    (sum, file, at) => sum + file.bytesRead + (opened.has(at) ? file.footerBytes : 0),
    0,
  );
  return groups.reduce((sum, { bytesRead }) => sum + bytesRead, labelBytes);
}

/** JSON with sorted keys, so that equal settings have one spelling. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([name, v]) => `${JSON.stringify(name)}:${canonical(v)}`).join(',')}}`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
