import { z } from 'zod';
import { PipelineError } from '../../domain/errors.ts';
import type { CommitRef } from '../../domain/refs.ts';
import type { Hub } from '../../hub/hub.ts';
import { jsonOrNull } from '../../hub/verified-json.ts';

/** Pipelines that the trainer knows, as a base's `model_index.json` names them. */
const KNOWN = ['FluxPipeline'];

const Index = z.object({ _class_name: z.string() });

/**
 * A base's `model_index.json`; null where there is none. One of another class is refused by its few bytes, before anything
 * is prepared for it and before its tens of gigabytes are fetched.
 */
export async function readModelIndex(hub: Hub, base: CommitRef): Promise<Buffer | null> {
  const bytes = await hub.read({ type: base.type, repo: base.repo }, base.commit, 'model_index.json');
  const named = bytes === null ? undefined : Index.safeParse(jsonOrNull(bytes)).data?._class_name;
  if (named === undefined || KNOWN.includes(named)) return bytes;
  throw new PipelineError(
    'InvalidInput',
    `base.repo: expected a base of class ${KNOWN.join(' or ')}, got ${named} in ${base.repo} at ${base.commit} (model_index.json): name FLUX.1-dev or a model of its class`,
  );
}
