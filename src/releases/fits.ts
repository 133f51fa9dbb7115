import { stat } from 'node:fs/promises';
import type { DeploymentConfig } from '../domain/config/run-config.ts';
import { PipelineError } from '../domain/errors.ts';
import { sizeProblems } from '../domain/release/release-limits.ts';
import type { RunContext } from '../domain/run/context.ts';
import type { Hub, HubContent } from '../hub/hub.ts';

/** What is about to be uploaded, and what will be loaded with it. */
export interface Upload {
  /** For people: `the release`, `the variant "int8"`. */
  what: string;
  files: { path: string; content: HubContent }[];
  /** Weights of the base that are loaded beside it; asked for only where a Space serves it. */
  baseBytes: () => Promise<number>;
  /** Its own weights. */
  ownBytes: number;
  deployment: DeploymentConfig;
}

/** Throws `InvalidInput` with every limit that an upload would break; nothing was uploaded by then. */
export async function refuseTooLarge(upload: Upload): Promise<void> {
  const { deployment } = upload;
  const sized = await Promise.all(
    upload.files.map(async ({ path, content }) => ({ path, bytes: await bytesOf(content) })),
  );
  const problems = sizeProblems({
    files: sized,
    baseBytes: deployment.space ? await upload.baseBytes() : 0,
    adapterBytes: upload.ownBytes,
    hardware: deployment.hardware,
    served: deployment.space,
  });
  if (problems.length === 0) return;
  throw new PipelineError(
    'InvalidInput',
    `Expected ${upload.what} to fit where it should go, got (nothing was uploaded):\n${problems.map((p) => `  ${p}`).join('\n')}`,
    { details: { problems } },
  );
}

async function bytesOf(content: HubContent): Promise<number> {
  if (typeof content === 'string') return Buffer.byteLength(content);
  return Buffer.isBuffer(content) ? content.length : (await stat(content.file)).size;
}

/** Bytes of a base's weights in diffusers' folders, of the wanted ones: a second copy in the root is not loaded. */
export async function weightsOfBase(
  hub: Hub,
  { base }: RunContext,
  wanted: (path: string) => boolean = () => true,
): Promise<number> {
  const listed = await hub.list({ type: base.type, repo: base.repo }, base.commit);
  const weights = listed.filter(
    (f) => f.path.includes('/') && /\.(safetensors|bin)$/.test(f.path) && wanted(f.path),
  );
  return weights.reduce((sum, f) => sum + f.bytes, 0);
}
