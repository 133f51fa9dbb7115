import { AsyncResource } from 'node:async_hooks';
import { join } from 'node:path';
import { z } from 'zod';
import type { DatasetConfig } from '../../domain/config/run-config.ts';
import { foldLabel, oneSpelling } from '../../domain/dataset/labels.ts';
import { type LabeledGroup, planReads, type ReadPlan } from '../../domain/dataset/plan.ts';
import { PipelineError } from '../../domain/errors.ts';
import type { CommitRef } from '../../domain/refs.ts';
import type { PipelineActivities, PreparationPlan } from '../../domain/run/activities.ts';
import type { RunContext } from '../../domain/run/context.ts';
import type { Hub } from '../../hub/hub.ts';
import { type FileLabels, openSource, passLabels, type Source } from '../../wikiart/label-pass.ts';
import { inFlight } from '../support/concurrency.ts';
import { findPrepared, type PreparationTarget, targetOf } from './cache-key.ts';
import type { PrepareDeps } from './deps.ts';
import { PrepareStore } from './local-store.ts';
import { groupName } from './shard.ts';
import {
  PLAN_FILE,
  readPlan,
  type ShardTask,
  StoredGroupLabels,
  type StoredPlan,
  taskFile,
} from './work-repo.ts';

/** Files whose labels are read at the same time. */
const LABELS_IN_FLIGHT = 4;

/** Makes the activity that reads all labels and lays out the shards, or finds the dataset or the plan that is there. */
export function createPlanPreparation(deps: PrepareDeps): PipelineActivities['planPreparation'] {
  return async ({ context }) => {
    const target = targetOf(context);
    const present = await findPrepared(deps.hub, target.repo, target.key);
    if (present !== null) {
      await deps.hub.deleteRepo(target.work);
      const { images, dropped } = present.manifest;
      return { done: { dataset: { ...target.repo, commit: present.commit }, images, dropped, cached: true } };
    }
    const known = await readPlan(deps.hub, target.work, target.key);
    return answer(target, known?.plan ?? (await layOut(deps, context, target)));
  };
}

function answer(target: PreparationTarget, plan: StoredPlan): PreparationPlan {
  return {
    done: null,
    work: target.work.repo,
    shards: plan.shards.map(({ shard, pictures }) => ({ shard, pictures })),
  };
}

async function layOut(
  deps: PrepareDeps,
  context: RunContext,
  target: PreparationTarget,
): Promise<StoredPlan> {
  const { hub } = deps;
  const signal = deps.signal?.();
  const config = context.config.dataset;
  const source = await openFilled(hub, context.source, 'dataset.source and dataset.revision');
  const reference =
    context.reference === undefined ? null : await openFilled(hub, context.reference, 'dataset.reference');
  const files = [
    ...source.files.map((entry) => ({ entry, source, columns: config.columns })),
    // A reference is read by the names that WikiArt's columns have.
    ...(reference?.files ?? []).map((entry) => ({ entry, source: reference as Source, columns: undefined })),
  ];
  const labels = await labelPass(deps, files, target, signal);
  const labeled = labeledGroups(labels, files, config);
  const own = labeled.filter(({ isReference }) => !isReference);
  checkLabels(own, config, source.at.repo);
  const reads = planReads(labeled, config, context.config.seed);
  const tasks = tasksOf(files, labeled, labels, reads);
  const plan = { ...planOf(target, labels, reads, tasks), ownFiles: source.files.length };
  await hub.ensureRepo(target.work, { private: true });
  await hub.commit({
    repo: target.work,
    message: `Plan: ${tasks.size} shards of ${source.at.repo}@${source.at.commit.slice(0, 12)}`,
    files: [
      { path: PLAN_FILE, content: JSON.stringify(plan) },
      ...[...tasks].map(([shard, task]) => ({ path: taskFile(shard), content: JSON.stringify(task) })),
    ],
    onProgress: () => deps.heartbeat({ stage: 'labels', done: files.length, total: files.length }),
    ...(signal === undefined ? {} : { signal }),
  });
  return plan;
}

/** A parquet file of the source or of the reference, and what its columns are called. */
interface SourceFile {
  entry: Source['files'][number];
  source: Source;
  columns: DatasetConfig['columns'] | undefined;
}

async function openFilled(hub: Hub, at: CommitRef, fields: string): Promise<Source> {
  const source = await openSource(hub, at);
  if (source.files.length > 0) return source;
  throw new PipelineError(
    'BadData',
    `Expected parquet files in dataset ${at.repo} at ${at.commit}, got none: check ${fields}`,
  );
}

/** Row groups of all files, each label in one spelling; files of the user's own keep their names where those differ. */
function labeledGroups(
  labels: readonly FileLabels[],
  files: readonly SourceFile[],
  config: DatasetConfig,
): LabeledGroup[] {
  const spelled = oneSpelling(config.style);
  const names = labels.flatMap(({ groups }) => groups.flatMap((group) => group.files ?? ['']));
  const areNames = new Set(names).size === names.length && !names.includes('');
  return labels.flatMap(({ groups }, fileIndex) =>
    groups.map((group): LabeledGroup => {
      const { entry, source } = files[fileIndex] as SourceFile;
      const isReference = source !== files[0]?.source;
      const isOneStyle = !isReference && config.columns.style === null;
      return {
        ...group,
        file: entry.path,
        fileIndex,
        isReference,
        styles: group.styles.map((style) => (isOneStyle ? config.style : spelled(style))),
        files: areNames && !isReference ? group.files : undefined,
      };
    }),
  );
}

/** Labels of every file; those in the work folder are not read again. */
async function labelPass(
  deps: PrepareDeps,
  files: readonly SourceFile[],
  target: PreparationTarget,
  signal: AbortSignal | undefined,
): Promise<FileLabels[]> {
  const store = new PrepareStore(join(deps.workDir, 'prepare', target.key.slice(0, 24)));
  let done = 0;
  // Temporal knows which activity a heartbeat is of by the asynchronous context that it is sent from.
  const tell = AsyncResource.bind(() => deps.heartbeat({ stage: 'labels', done, total: files.length }));
  return inFlight(files, LABELS_IN_FLIGHT, async ({ entry, source, columns }, at) => {
    signal?.throwIfAborted();
    const name = `labels-${String(at).padStart(5, '0')}.json`;
    let labels = await store.readJson(name, StoredLabels);
    if (labels === null) {
      labels = await passLabels(deps.hub, source, entry, {
        signal,
        onRange: tell,
        ...(columns === undefined ? {} : { columns }),
      });
      await store.writeJson(name, labels);
    }
    done += 1;
    tell();
    return labels;
  });
}

const StoredLabels: z.ZodType<FileLabels> = z.strictObject({
  groups: z.array(StoredGroupLabels),
  bytesRead: z.int(),
  footerBytes: z.int(),
});

function tasksOf(
  files: readonly SourceFile[],
  labeled: readonly LabeledGroup[],
  labels: readonly FileLabels[],
  reads: ReadPlan,
): Map<number, ShardTask> {
  const tasks = new Map<number, ShardTask>();
  const spelled = new Map(labeled.map((group) => [groupName(group), group]));
  for (const plan of reads.groups) {
    const file = files[plan.fileIndex];
    const own = labels[plan.fileIndex]?.groups[plan.group];
    const named = spelled.get(groupName(plan));
    if (file === undefined || own === undefined || named === undefined)
      throw new PipelineError('Internal', `Expected labels of row group ${groupName(plan)}, got none`);
    const { path, bytes } = file.entry;
    const task = tasks.get(plan.fileIndex) ?? { at: file.source.at, path, bytes, groups: [] };
    task.groups.push({ plan, labels: { ...own, styles: named.styles, files: named.files } });
    tasks.set(plan.fileIndex, task);
  }
  return tasks;
}

function planOf(
  target: PreparationTarget,
  labels: readonly FileLabels[],
  reads: ReadPlan,
  tasks: ReadonlyMap<number, ShardTask>,
): Omit<StoredPlan, 'ownFiles'> {
  const { rows, otherStyle, otherGenre, otherArtist, overLimit } = reads;
  return {
    format: 1,
    key: target.key,
    rows,
    otherStyle,
    otherGenre,
    otherArtist,
    overLimit,
    labelBytes: labels.reduce(
      (sum, file, at) => sum + file.bytesRead + (tasks.has(at) ? file.footerBytes : 0),
      0,
    ),
    shards: [...tasks].map(([shard, task]) => ({
      shard,
      pictures: task.groups.reduce((sum, { plan }) => sum + plan.wanted.length + plan.neighbors.length, 0),
      groups: task.groups.map(({ plan }) => groupName(plan)),
    })),
  };
}

function checkLabels(groups: readonly LabeledGroup[], config: DatasetConfig, repo: string): void {
  const named = (list: Iterable<string>): string => [...new Set(list)].sort().join(', ');
  const styles = new Set(groups.flatMap((group) => group.styles));
  const problems: string[] = [];
  if (styles.size === 0) problems.push(`Expected pictures in ${repo}, got none (dataset.source)`);
  else if (!styles.has(config.style))
    problems.push(
      `Expected pictures of style ${JSON.stringify(config.style)} in ${repo}, got only ${named(styles)} (dataset.style)`,
    );
  for (const [field, wanted, present] of [
    ['genres', config.genres, new Set(groups.flatMap((group) => group.genres))],
    ['artists', config.artists, new Set(groups.flatMap((group) => group.artists))],
  ] as const) {
    const folded = new Set([...present].map(foldLabel));
    const missing = wanted.filter((name) => !folded.has(foldLabel(name)));
    if (missing.length > 0)
      problems.push(
        `Expected ${field} of ${repo}, got unknown ${missing.join(', ')}: it has ${named(present)} (dataset.${field})`,
      );
  }
  if (problems.length > 0) throw new PipelineError('BadData', problems.join('\n'));
}
