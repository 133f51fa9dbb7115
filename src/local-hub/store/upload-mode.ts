import { matchesGlob } from './glob.ts';

const LFS_FROM_BYTES = 1_000_000;

const LARGE = [
  ...[
    '7z',
    'arrow',
    'bin',
    'bz2',
    'ckpt',
    'gguf',
    'gz',
    'h5',
    'joblib',
    'lz4',
    'model',
    'msgpack',
    'npy',
    'npz',
  ],
  ...[
    'onnx',
    'parquet',
    'pickle',
    'pkl',
    'pt',
    'pth',
    'rar',
    'safetensors',
    'tar',
    'tgz',
    'wasm',
    'xz',
    'zip',
    'zst',
  ],
];

/** The `.gitattributes` of a new repo: kinds of files that are large files whatever their size. */
export const DEFAULT_GITATTRIBUTES = `${LARGE.map((kind) => `*.${kind} filter=lfs diff=lfs merge=lfs -text`).join('\n')}\n`;

/** Decides by size and by a repo's `.gitattributes` whether a file travels as a large file or inside the commit. */
export function uploadModes(
  gitAttributes: string,
): (file: { path: string; size: number }) => 'lfs' | 'regular' {
  const patterns = lfsPatterns(gitAttributes);
  return ({ path, size }) => {
    if (size === 0) return 'regular';
    if (size >= LFS_FROM_BYTES) return 'lfs';
    return patterns.some((pattern) => matches(pattern, path)) ? 'lfs' : 'regular';
  };
}

function lfsPatterns(gitAttributes: string): string[] {
  return gitAttributes
    .split('\n')
    .filter((line) => !line.startsWith('#') && /\sfilter=lfs(\s|$)/.test(line))
    .map((line) => line.trim().split(/\s+/, 1)[0] ?? '');
}

/** git's rule: a pattern without a slash is tried on the file's name, one with a slash on its whole path. */
function matches(pattern: string, path: string): boolean {
  const subject = pattern.includes('/') ? path : (path.split('/').at(-1) ?? path);
  if (/^\*\.[\w.-]+$/.test(pattern)) return subject.endsWith(pattern.slice(1));
  return matchesGlob(pattern.replace(/^\//, ''), subject);
}
