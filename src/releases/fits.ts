import { stat } from 'node:fs/promises';
import type { RunContext } from '../domain/activities.ts';
import { PipelineError } from '../domain/errors.ts';
import { sizeProblems } from '../domain/release-limits.ts';
import type { Hub, HubContent } from '../hub/hub.ts';
import { ADAPTER_FILE } from './provenance.ts';

/** Throws `InvalidInput` with every limit that a release would break; nothing was uploaded by then. */
export async function refuseTooLarge(
  hub: Hub,
  context: RunContext,
  files: { path: string; content: HubContent }[],
): Promise<void> {
  const { deployment } = context.config;
  const sized = await Promise.all(
    files.map(async ({ path, content }) => ({ path, bytes: await bytesOf(content) })),
  );
  const problems = sizeProblems({
    files: sized,
    baseBytes: deployment.space ? await weightsOfBase(hub, context) : 0,
    adapterBytes: sized.find((f) => f.path === ADAPTER_FILE)?.bytes ?? 0,
    hardware: deployment.hardware,
    served: deployment.space,
  });
  if (problems.length === 0) return;
  throw new PipelineError(
    'InvalidInput',
    `The release does not fit where it should go, nothing was uploaded:\n${problems.map((p) => `  ${p}`).join('\n')}`,
    { details: { problems } },
  );
}

async function bytesOf(content: HubContent): Promise<number> {
  if (typeof content === 'string') return Buffer.byteLength(content);
  return Buffer.isBuffer(content) ? content.length : (await stat(content.file)).size;
}

/** Weights in the folders of diffusers' layout: a second copy of them in the repository's root is not loaded. */
async function weightsOfBase(hub: Hub, { base }: RunContext): Promise<number> {
  const listed = await hub.list({ type: base.type, repo: base.repo }, base.commit);
  const weights = listed.filter((f) => f.path.includes('/') && /\.(safetensors|bin)$/.test(f.path));
  return weights.reduce((sum, f) => sum + f.bytes, 0);
}
