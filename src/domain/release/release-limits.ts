/** What a Space's hardware holds, in bytes; `deviceBytes` null: it computes in its main memory. */
export interface Hardware {
  memoryBytes: number;
  deviceBytes: number | null;
  diskBytes: number;
}

const GB = 1e9;

/** The hardware that a release can be served on, by the Hub's names; figures of its documentation, 2025. */
export const HARDWARE: Record<'cpu-basic' | 'zero-a10g', Hardware> = {
  'cpu-basic': { memoryBytes: 16 * GB, deviceBytes: null, diskBytes: 50 * GB },
  // ZeroGPU's default share of a card: 48 GB in its current size, 70 GB in its former one; the smaller counts.
  'zero-a10g': { memoryBytes: 16 * GB, deviceBytes: 48 * GB, diskBytes: 50 * GB },
};

/** What the Hub takes: a file's hard limit, that of a file outside LFS, and files in one commit as its clients advise. */
export const HUB_LIMITS = { fileBytes: 50 * GB, plainFileBytes: 10e6, filesPerCommit: 100 } as const;

/** Room for activations, text lengths and the runtime itself beside the weights. */
const HEADROOM = 1.25;
/** Python, torch and friends on the Space's disk. */
const SOFTWARE_BYTES = 8 * GB;

/** What is about to be uploaded, and what it will be served with. */
export interface ReleaseSize {
  files: { path: string; bytes: number }[];
  /** Weights of the base as they are loaded. */
  baseBytes: number;
  adapterBytes: number;
  hardware: keyof typeof HARDWARE;
  /** False: no Space is published, so nothing has to fit into one. */
  served: boolean;
}

/** Every limit that a release would break, in words; an empty list: it fits. */
export function sizeProblems(size: ReleaseSize): string[] {
  const { fileBytes, plainFileBytes, filesPerCommit } = HUB_LIMITS;
  const problems = size.files.flatMap(({ path, bytes }) => {
    if (bytes > fileBytes) return [`${path}: expected at most ${gb(fileBytes)}, got ${gb(bytes)}`];
    const isText = /\.(json|md|py|txt)$/.test(path);
    return isText && bytes > plainFileBytes
      ? [`${path}: expected at most ${gb(plainFileBytes)} of text, got ${gb(bytes)}`]
      : [];
  });
  if (size.files.length > filesPerCommit)
    problems.push(`the commit: expected at most ${filesPerCommit} files, got ${size.files.length}`);
  if (!size.served) return problems;
  const { memoryBytes, deviceBytes, diskBytes } = HARDWARE[size.hardware];
  const weights = size.baseBytes + size.adapterBytes;
  const needed = weights * HEADROOM;
  const room = deviceBytes ?? memoryBytes;
  if (needed > room)
    problems.push(
      `memory of ${size.hardware}: expected at most ${gb(room)}, got ${gb(needed)} for weights of ${gb(weights)} and what computing takes: choose other hardware (deployment.hardware) or deployment.space=false`,
    );
  const disk = weights + SOFTWARE_BYTES;
  if (disk > diskBytes)
    problems.push(
      `disk of ${size.hardware}: expected at most ${gb(diskBytes)}, got ${gb(disk)} for weights and software`,
    );
  return problems;
}

function gb(bytes: number): string {
  return bytes < 1e8 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / GB).toFixed(1)} GB`;
}
