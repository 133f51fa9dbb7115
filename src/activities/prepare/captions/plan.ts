import { AsyncResource } from 'node:async_hooks';
import { setImmediate } from 'node:timers/promises';
import { chooseKept } from '../../../domain/dataset/filters.ts';
import type { GiveWay } from '../../../domain/dataset/likeness.ts';
import { idOf } from '../../../domain/dataset/measures.ts';
import { PipelineError } from '../../../domain/errors.ts';
import type { RepoRef } from '../../../domain/refs.ts';
import type { CaptionPieces, PipelineActivities } from '../../../domain/run/activities.ts';
import { localFolder, type PreparationTarget, targetOf, unlessPrepared } from '../cache-key.ts';
import type { PrepareDeps } from '../deps.ts';
import { GroupResult, PrepareStore } from '../local-store.ts';
import { readPlan, readWork, workRemoved } from '../work-repo.ts';
import { CAPTION_PLAN, CaptionPlan, type CaptionTask, captionTask } from './work-repo.ts';

/** Pictures between two uploads: what a GPU that is taken away costs at most. */
const PICTURES_A_PIECE = 128;

/**
 * Makes the activity that says which pictures are to be described: those that every filter leaves, of the wanted style. It
 * reads measures only, no picture, and lays the work out in pieces; pieces that are laid out already stay as they are.
 */
export function createPlanCaptions(
  deps: PrepareDeps & { picturesAPiece?: number },
): PipelineActivities['planCaptions'] {
  return (p) => {
    const target = targetOf(p.context);
    const heartbeat = AsyncResource.bind(deps.heartbeat);
    const part = (): Promise<CaptionPieces> => layOutPieces({ ...deps, heartbeat }, target, p);
    return unlessPrepared(deps.hub, target, part, () => ({ pieces: [] }));
  };
}

async function layOutPieces(
  deps: PrepareDeps & { picturesAPiece?: number },
  target: PreparationTarget,
  { context, work: workId }: Parameters<PipelineActivities['planCaptions']>[0],
): Promise<CaptionPieces> {
  const { hub, heartbeat } = deps;
  const signal = deps.signal?.();
  const work: RepoRef = { type: 'dataset', repo: workId };
  const known = await readPlan(hub, work, target.key);
  if (known === null) throw workRemoved(`the plan of ${target.repo.repo}`, work);
  const laidOut = await readWork(hub, work, known.head, { path: CAPTION_PLAN, schema: CaptionPlan });
  if (laidOut !== null) return laidOut;
  const store = new PrepareStore(localFolder(deps.workDir, target));
  await hub.download({
    repo: work,
    commit: known.head,
    folder: 'shards',
    wanted: (path) => path.endsWith('.json'),
    toFolder: store.folder,
    onProgress: (done, total) => heartbeat({ stage: 'measures', done, total }),
    ...(signal === undefined ? {} : { signal }),
  });
  const pictures = await keptPictures(
    store,
    known.plan.shards.flatMap((shard) => shard.groups),
    context.config,
    async () => {
      heartbeat({ stage: 'comparing', done: 0, total: known.plan.shards.length });
      await setImmediate();
    },
  );
  const size = deps.picturesAPiece ?? PICTURES_A_PIECE;
  const tasks: CaptionTask[] = [];
  for (let at = 0; at < pictures.length; at += size) tasks.push({ pictures: pictures.slice(at, at + size) });
  const plan: CaptionPlan = {
    pieces: tasks.map((task, piece) => ({ piece, pictures: task.pictures.length })),
  };
  await hub.commit({
    repo: work,
    message: `Captions: ${pictures.length} pictures in ${tasks.length} pieces`,
    files: [
      ...tasks.map((task, piece) => ({ path: captionTask(piece), content: JSON.stringify(task) })),
      { path: CAPTION_PLAN, content: JSON.stringify(plan) },
    ],
    onProgress: () => heartbeat({ stage: 'captions', done: tasks.length, total: tasks.length }),
    ...(signal === undefined ? {} : { signal }),
  });
  return plan;
}

/** The pictures that the dataset will keep, in the source's order: the same choice as when it is assembled. */
async function keptPictures(
  store: PrepareStore,
  names: readonly string[],
  { dataset, seed }: Parameters<PipelineActivities['planCaptions']>[0]['context']['config'],
  giveWay: GiveWay,
): Promise<CaptionTask['pictures']> {
  const found: GroupResult['candidates'] = [];
  const packs = new Map<string, string>();
  for (const name of names) {
    const result = await store.readJson(`${name}.json`, GroupResult);
    if (result === null)
      throw new PipelineError(
        'Corrupt',
        `Expected the result of row group ${name} in ${store.folder}, got none: every shard must be prepared first`,
      );
    for (const entry of result.candidates)
      if (entry.kind === 'wanted') {
        found.push(entry);
        packs.set(entry.candidate.source, result.pack);
      }
  }
  const bytes = new Map(found.map(({ candidate, png }) => [candidate.source, png]));
  const { kept } = await chooseKept(
    found.map(({ candidate }) => candidate),
    dataset,
    seed,
    giveWay,
  );
  return kept
    .filter((candidate) => dataset.captions === 'model' || candidate.caption === '')
    .sort((a, b) => a.order - b.order)
    .map((candidate) => ({
      id: idOf(candidate),
      pack: packs.get(candidate.source) as string,
      bytes: bytes.get(candidate.source) as CaptionTask['pictures'][number]['bytes'],
    }));
}
