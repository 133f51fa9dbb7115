import { pythonPath, readEnvironment } from '../config/env.ts';
import { PYTHON_PACKAGE } from '../config/paths.ts';
import type { Profile } from '../domain/profiles.ts';
import { profileFor } from '../domain/training-needs.ts';
import { createTrainer } from '../trainer/process.ts';

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
    process.stderr.write(`profile ${profile}: this machine has ${machine.name}${memory}\n`);
    return profile;
  } finally {
    await trainer.close();
  }
}
