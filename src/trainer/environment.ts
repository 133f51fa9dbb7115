import { trainerVariables } from '../config/child-environment.ts';

/** Environment of the Python process: a white list, the package, and settings that keep it offline and reproducible. */
export function trainerEnvironment(
  worker: Readonly<Record<string, string | undefined>>,
  packageFolder: string,
  processes = 1,
): Record<string, string> {
  return {
    ...trainerVariables(worker),
    PYTHONPATH: packageFolder,
    PLEIN_AIR_TRAINER_PROCESSES: String(processes),
    PYTHONUNBUFFERED: '1',
    PYTHONHASHSEED: '0',
    // With busy neighbors a second CPU thread slows small models down, and another count changes the bytes.
    OMP_NUM_THREADS: '1',
    MKL_NUM_THREADS: '1',
    CUBLAS_WORKSPACE_CONFIG: ':4096:8',
    TOKENIZERS_PARALLELISM: 'false',
    HF_HUB_OFFLINE: '1',
    TRANSFORMERS_OFFLINE: '1',
    HF_HUB_DISABLE_TELEMETRY: '1',
  };
}
