import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type LocalHub, type LocalHubOptions, startLocalHub } from '../../src/local-hub/server.ts';

/** The token of the tests; it may write. */
export const TOKEN = 'hf_local_plein_air';

/** A Hub over a fresh folder, gone after `stop`. */
export interface HubInTest extends LocalHub {
  readonly root: string;
  stop(): Promise<void>;
}

/** Starts a Hub on a free port over a fresh folder. */
export async function startHubInTest(options: Partial<LocalHubOptions> = {}): Promise<HubInTest> {
  const root = await mkdtemp(join(tmpdir(), 'plein-air-hub-'));
  const hub = await startLocalHub({ root, ...options });
  return {
    ...hub,
    root,
    stop: async () => {
      await hub.close();
      await rm(root, { recursive: true, force: true });
    },
  };
}
