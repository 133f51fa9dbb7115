/** Variables that the trainer may see: where programs, libraries, caches and the accelerator are. No secret is among them. */
const PASSED_ON = [
  'PATH',
  'HOME',
  'USER',
  'LANG',
  'LC_ALL',
  'TZ',
  'TMPDIR',
  'TMP',
  'TEMP',
  'SYSTEMROOT',
  'LD_LIBRARY_PATH',
  'CUDA_VISIBLE_DEVICES',
  'CUDA_HOME',
  'NVIDIA_VISIBLE_DEVICES',
  'NVIDIA_DRIVER_CAPABILITIES',
  'PYTORCH_CUDA_ALLOC_CONF',
  'PYTORCH_ALLOC_CONF',
  'TORCH_HOME',
  'TORCHINDUCTOR_CACHE_DIR',
  'TRITON_CACHE_DIR',
  'XDG_CACHE_HOME',
] as const;

/** Environment of the Python process: a white list, the package, and settings that keep it offline and reproducible. */
export function trainerEnvironment(
  worker: Readonly<Record<string, string | undefined>>,
  packageFolder: string,
  processes = 1,
): Record<string, string> {
  const passed = PASSED_ON.flatMap((name) => {
    const value = worker[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    ...Object.fromEntries(passed),
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
