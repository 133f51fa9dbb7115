import { z } from 'zod';
import { DatasetRow } from '../../../domain/dataset/record.ts';
import { PipelineError } from '../../../domain/errors.ts';
import type { CommitSha, RepoRef } from '../../../domain/refs.ts';
import type { Hub } from '../../../hub/hub.ts';
import { GroupResult, Slice } from '../local-store.ts';
import { padded, readWork } from '../work-repo.ts';

/** `captions/tasks/00003.json` of a work repository: pictures to describe, and where their bytes are. */
export const CaptionTask = z.strictObject({
  pictures: z.array(z.strictObject({ id: DatasetRow.shape.id, pack: GroupResult.shape.pack, bytes: Slice })),
});
export type CaptionTask = z.infer<typeof CaptionTask>;

/** `captions/plan.json`: how many pictures each task has; there once all tasks are. */
export const CaptionPlan = z.strictObject({
  pieces: z.array(z.strictObject({ piece: z.int(), pictures: z.int() })),
});
export type CaptionPlan = z.infer<typeof CaptionPlan>;

/** `captions/00003.json`: what the model said of each picture of a task, in its own words. */
export const CaptionResults = z.strictObject({
  kind: z.enum(['blip', 'chat']),
  captions: z.array(z.strictObject({ id: DatasetRow.shape.id, text: z.string() })),
});
export type CaptionResults = z.infer<typeof CaptionResults>;

export const CAPTION_PLAN = 'captions/plan.json';

/** Path of a task in the work repository. */
export function captionTask(piece: number): string {
  return `captions/tasks/${padded(piece)}.json`;
}

/** Path of a task's results in the work repository. */
export function captionResults(piece: number): string {
  return `captions/${padded(piece)}.json`;
}

/** What the model said of every picture of the plan, by picture; `Corrupt` while a piece is missing. */
export async function readCaptions(hub: Hub, work: RepoRef, at: CommitSha): Promise<Map<string, string>> {
  const plan = await readWork(hub, work, at, { path: CAPTION_PLAN, schema: CaptionPlan });
  const texts = new Map<string, string>();
  const pieces = plan?.pieces ?? [];
  for (const { piece } of pieces) {
    const results = await readWork(hub, work, at, { path: captionResults(piece), schema: CaptionResults });
    for (const { id, text } of results?.captions ?? []) texts.set(id, text);
  }
  const wanted = pieces.reduce((sum, { pictures }) => sum + pictures, 0);
  if (plan === null || texts.size !== wanted)
    throw new PipelineError(
      'Corrupt',
      `Expected captions of ${plan === null ? 'every picture' : `${wanted} pictures`} in ${work.repo}, got ${texts.size}: every piece must be captioned first`,
    );
  return texts;
}
