import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { TINY_BASE } from '../config/paths.ts';
import { seedGeneratedWikiArt } from '../wikiart/synthetic/seed.ts';
import { seedTinyBase } from '../wikiart/synthetic/seed-base.ts';
import type { Stack } from './stack/stack.ts';

/** Repositories that the embedded stack starts with: names as in the `tiny` profile. */
export const GENERATED_WIKIART = 'plein-air/generated-wikiart';
export const TINY_FLUX = 'plein-air/tiny-flux';

/** Puts the generated WikiArt and the tiny base on the local Hub, through the official client; again is a no-op. */
export async function seedStack(stack: Stack): Promise<void> {
  const workDir = join(stack.dataDir, 'generated');
  mkdirSync(workDir, { recursive: true });
  const { endpoint: hubUrl, accessToken } = stack.hub;
  const hub = { hubUrl, accessToken };
  await Promise.all([
    seedGeneratedWikiArt({ ...hub, repo: GENERATED_WIKIART, workDir }),
    seedTinyBase({ ...hub, repo: TINY_FLUX, folder: TINY_BASE }),
  ]);
}
