import { DatasetManifest } from '../../../domain/dataset/record.ts';
import { PipelineError } from '../../../domain/errors.ts';
import type { CommitRef } from '../../../domain/refs.ts';
import type { Hub } from '../../../hub/hub.ts';
import { parseJson } from '../../../hub/verified-json.ts';

/**
 * A model is asked with the trigger that its captions had; a dataset captioned with another one is refused. A dataset
 * without a manifest was not prepared here and says nothing.
 */
export async function refuseOtherTrigger(hub: Hub, dataset: CommitRef, trigger: string): Promise<void> {
  const { type, repo, commit } = dataset;
  const bytes = await hub.read({ type, repo }, commit, 'manifest.json');
  if (bytes === null) return;
  const { settings } = parseJson(bytes, DatasetManifest, `${repo} manifest.json`);
  if (settings.trigger === undefined || settings.trigger === trigger) return;
  throw new PipelineError(
    'InvalidInput',
    `expected a dataset with the trigger "${trigger}" in its captions (dataset.trigger), got one with "${String(settings.trigger)}" (${repo} at ${commit}): the model was taught that one; ask with it, or prepare and train anew`,
  );
}
