import { z } from 'zod';
import { PROFILES, type Profile } from '../config/profiles.ts';
import { parseRunConfig, type RunConfig } from '../config/run-config.ts';
import { PipelineError } from '../errors.ts';
import { acceleratorOf, computesIn, factsOf } from './accelerators.ts';
import { type Machine, microStepSeconds, trainingNeeds } from './needs.ts';
import { trainerTraining } from './trainer-training.ts';

/** FLUX.1-dev's transformer, whose weights the check makes up. */
const FLUX = { num_layers: 19, num_single_layers: 38, attention_head_dim: 128, num_attention_heads: 24 };
/** Steps that are enough to see a checkpoint, a kill, a resume, a held-out loss and validation images. */
const STEPS = { steps: 4, warmupSteps: 1, checkpointEvery: 1, heldOutEvery: 2, sampleEvery: 2 };

/** `gpu-check.json`, as far as it is read here; the trainer's module `gpu_check` writes it. */
export const GpuCheck = z.looseObject({
  format: z.literal(1),
  small: z.boolean(),
  machine: z.looseObject({ name: z.string(), vramBytes: z.number().nullable() }),
  profiles: z.record(
    z.string(),
    z.looseObject({ microStepSeconds: z.number().positive().nullish(), error: z.string().nullable() }),
  ),
});
export type GpuCheck = z.infer<typeof GpuCheck>;

/** What `gpu_check` is told to measure: each profile's own training, few steps of it, with what is predicted for this machine. */
export function gpuCheckPlan(machine: Machine, small: boolean, wanted?: readonly string[]) {
  const strangers = (wanted ?? []).filter((name) => !(REAL as readonly string[]).includes(name));
  if (strangers.length > 0)
    throw new PipelineError(
      'InvalidInput',
      `expected profiles among ${REAL.join(', ')}, got ${strangers.join(', ')} (--profile)`,
    );
  const name = acceleratorOf(machine);
  const profiles = REAL.filter((profile) => wanted === undefined || wanted.includes(profile))
    .map((profile) => ({ profile, config: configOf(profile) }))
    .map(({ profile, config }) => ({
      ...{ profile, config },
      needs: trainingNeeds(FLUX, config.training, config.dataset.resolution),
    }))
    .filter(
      ({ needs, config }) =>
        small || (needs.vramBytes <= (machine.vramBytes ?? 0) && computesIn(name, config.training.precision)),
    );
  if (profiles.length === 0)
    throw new PipelineError(
      'OutOfMemory',
      `expected an accelerator that holds one of the profiles, got ${machine.name}: --small runs the same code on a CPU`,
    );
  const entries = profiles.map(({ profile, config, needs }) => {
    const training = trainerTraining(config, {});
    if (!training.ok) throw new PipelineError('Internal', JSON.stringify(training.problems));
    return [
      profile,
      {
        training: training.value,
        resolution: config.dataset.resolution,
        predictedVramBytes: needs.vramBytes,
        ...(name === null ? {} : { peakFlops: 1e12 * factsOf(name).peak[config.training.precision] }),
      },
    ] as const;
  });
  return { profiles: Object.fromEntries(entries) };
}

const REAL = PROFILES.filter((profile) => profile !== 'tiny');

function configOf(profile: Profile): RunConfig {
  const parsed = parseRunConfig({ profile, training: STEPS });
  if (!parsed.ok) throw new PipelineError('Internal', JSON.stringify(parsed.problems));
  return parsed.value;
}

/**
 * How much longer a micro-step takes on this machine than the table says, from a check that was made on its kind with the
 * same types of numbers; 1 where none was made at full size.
 */
export function measuredFactor(
  check: GpuCheck | null,
  machine: Pick<Machine, 'name' | 'vramBytes'>,
  training: Pick<RunConfig['training'], 'precision' | 'quantization'>,
): number {
  if (check === null || check.small || check.machine.name !== machine.name) return 1;
  for (const [profile, { microStepSeconds: seconds, error }] of Object.entries(check.profiles)) {
    const known = REAL.find((one) => one === profile);
    if (known === undefined || error !== null || seconds == null) continue;
    const config = configOf(known);
    const { precision, quantization } = config.training;
    if (precision !== training.precision || quantization !== training.quantization) continue;
    const needs = trainingNeeds(FLUX, config.training, config.dataset.resolution);
    const predicted = microStepSeconds(needs, machine, precision);
    if (predicted !== null) return seconds / predicted;
  }
  return 1;
}
