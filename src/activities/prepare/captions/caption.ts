import { randomUUID } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CAPTION_PROMPT } from '../../../domain/config/captioner.ts';
import { PipelineError } from '../../../domain/errors.ts';
import type { CommitSha, RepoRef } from '../../../domain/refs.ts';
import type { CaptionedPictures, GpuActivities } from '../../../domain/run/activities.ts';
import type { RunContext } from '../../../domain/run/context.ts';
import { commitOnHead } from '../../../hub/commit-on-head.ts';
import { GpuCalls, type GpuDeps } from '../../support/gpu-calls.ts';
import { copyLocally } from '../../support/model-cache.ts';
import { openAttemptFolder } from '../../train/attempt-folder.ts';
import { targetOf, unlessPrepared } from '../cache-key.ts';
import { PrepareStore } from '../local-store.ts';
import { readWork, workRemoved } from '../work-repo.ts';
import { isModelFile } from './model.ts';
import { CaptionResults, CaptionTask, captionResults, captionTask } from './work-repo.ts';

/**
 * Makes the activity that has one piece's pictures described. It may run any number of times, here and elsewhere, even at
 * once: the first results that reach the work repository stay, and whoever comes later finds them and writes nothing.
 */
export function createCaptionPictures(deps: GpuDeps): GpuActivities['captionPictures'] {
  return (p) =>
    unlessPrepared(
      deps.hub,
      targetOf(p.context),
      () => doPiece(deps, p),
      () => ({ piece: p.piece, pictures: 0 }),
    );
}

async function doPiece(
  deps: GpuDeps,
  { context, work: workId, piece }: Parameters<GpuActivities['captionPictures']>[0],
): Promise<CaptionedPictures> {
  const { hub } = deps;
  const work: RepoRef = { type: 'dataset', repo: workId };
  const opened = await openPiece(hub, work, piece);
  if (opened === null) return { piece, pictures: 0 };
  const { task, head } = opened;
  const folder = join(deps.workDir, 'captioning', randomUUID());
  await openAttemptFolder(folder);
  try {
    const results = await describe({ deps, context, work, folder, task, head });
    await publish({
      hub,
      work,
      piece,
      results,
      signal: deps.signal?.(),
      calls: new GpuCalls(deps, results.captions.length),
    });
    return { piece, pictures: results.captions.length };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What is left to do for a piece, and the commit that says so; null: nothing. */
async function openPiece(
  hub: GpuDeps['hub'],
  work: RepoRef,
  piece: number,
): Promise<{ task: CaptionTask; head: CommitSha } | null> {
  const head = await hub.resolve(work);
  const task =
    head === null ? null : await readWork(hub, work, head, { path: captionTask(piece), schema: CaptionTask });
  if (head === null || task === null) throw workRemoved(captionTask(piece), work);
  return (await hub.stat(work, head, captionResults(piece))) === null ? { task, head } : null;
}

/** Brings the model and the pictures here and asks the trainer. */
async function describe(p: {
  deps: GpuDeps;
  context: RunContext;
  work: RepoRef;
  folder: string;
  task: CaptionTask;
  head: CommitSha;
}): Promise<CaptionResults> {
  const { deps, folder, task, work, head } = p;
  const { captioner } = p.context;
  const config = p.context.config.dataset.captioner;
  if (captioner === undefined || config === null)
    throw new PipelineError(
      'Internal',
      'Expected a run with a captioner (dataset.captioner), got one without',
    );
  const calls = new GpuCalls(deps, task.pictures.length);
  const model = await copyLocally(calls.copying('captioner'), captioner, undefined, isModelFile);
  const packs = new Set(task.pictures.map(({ pack }) => pack));
  const { signal, onProgress } = calls.copying('pictures');
  await deps.hub.download({
    ...{ repo: work, commit: head, folder: 'shards', wanted: (path) => packs.has(path) },
    ...{ toFolder: folder, onProgress },
    ...(signal === undefined ? {} : { signal }),
  });
  const store = new PrepareStore(folder);
  const pictures: { id: string; path: string }[] = [];
  for (const { id, pack, bytes } of task.pictures) {
    const path = join(folder, id);
    await writeFile(path, await store.readSlice(pack, bytes));
    pictures.push({ id, path });
  }
  const { maxTokens, batchSize } = config;
  const { kind, captions } = await calls.call(
    'caption',
    {
      model,
      repo: captioner.repo,
      commit: captioner.commit,
      pictures,
      prompt: CAPTION_PROMPT,
      maxTokens,
      batchSize,
    },
    'captions',
  );
  if (captions.some(({ id }, at) => id !== task.pictures[at]?.id) || captions.length !== task.pictures.length)
    throw new PipelineError(
      'Internal',
      `Expected a caption of each of ${task.pictures.length} pictures in their order, got ${captions.length} of others`,
    );
  return CaptionResults.parse({ kind, captions });
}

/** Adds a piece's results unless somebody else's are there by now. */
async function publish(p: {
  hub: GpuDeps['hub'];
  work: RepoRef;
  piece: number;
  results: CaptionResults;
  calls: GpuCalls;
  signal: AbortSignal | undefined;
}): Promise<void> {
  const { hub, work, piece, results, calls, signal } = p;
  const total = results.captions.length;
  const path = captionResults(piece);
  const target = {
    repo: work,
    onProgress: () => calls.beat('captions stored', total, total),
    ...(signal === undefined ? {} : { signal }),
  };
  await commitOnHead<null>(hub, target, async (head) => {
    // Another worker's captions are there, or even the dataset that was made from them.
    if (head === null || (await hub.stat(work, head, path)) !== null) return { done: null };
    return {
      message: `Captions of piece ${piece}: ${total} pictures`,
      files: [{ path, content: `${JSON.stringify(results, null, 1)}\n` }],
      answer: () => null,
    };
  });
}
