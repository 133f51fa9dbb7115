import type { Client } from '@temporalio/client';
import { pythonPath, readEnvironment } from '../config/env.ts';
import { PYTHON_PACKAGE } from '../config/paths.ts';
import { PROFILES, type Profile } from '../domain/config/profiles.ts';
import { acceleratorIn } from '../domain/run/machine-name.ts';
import { gpuQueue } from '../domain/run/task-queues.ts';
import { profileFor } from '../domain/training/needs.ts';
import { pollers } from '../runs/start-run.ts';
import { createTrainer } from '../trainer/process.ts';
import { writeLine } from './colors.ts';

/**
 * The profile for the smallest accelerator among the GPU workers that ask for work right now, since any of them may get the
 * run; null where none holds one.
 */
export async function profileOfGpuWorkers(
  client: Client,
  gpuSession: string | null,
): Promise<Profile | null> {
  const found = (await pollers(client, gpuQueue(gpuSession)))
    .map((identity) => ({ identity, accelerator: acceleratorIn(identity) }))
    .flatMap(({ identity, accelerator }) =>
      accelerator === null ? [] : [{ identity, profile: profileFor({ device: 'cuda', ...accelerator }) }],
    )
    .sort((a, b) => PROFILES.indexOf(a.profile) - PROFILES.indexOf(b.profile))[0];
  if (found === undefined) return null;
  writeLine(process.stderr, `profile ${found.profile}: GPU worker ${found.identity}`);
  return found.profile;
}

/** The profile for the accelerator of the machine that this command runs on, as the trainer's `probe` finds it. */
export async function profileOfThisMachine(): Promise<Profile> {
  const trainer = createTrainer({
    python: pythonPath(readEnvironment()),
    packageFolder: PYTHON_PACKAGE,
    log: () => undefined,
  });
  try {
    const machine = await trainer.call('probe', {});
    const profile = profileFor(machine);
    const memory = machine.vramBytes === null ? '' : `, ${(machine.vramBytes / 1e9).toFixed(0)} GB`;
    writeLine(process.stderr, `profile ${profile}: this machine has ${machine.name}${memory}`);
    return profile;
  } finally {
    await trainer.close();
  }
}
