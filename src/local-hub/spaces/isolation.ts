import { spawnSync } from 'node:child_process';

/** What of a Hub's folder an app must not see: every repository's bytes and records, and the keys. */
const FOLDERS = ['blobs', 'repos', 'redirects', 'tmp', 'damaged'];
const FILES = ['signing-key', 'tls-authority.key'];

/**
 * Hides the Hub's folder ($1) behind empty mounts, and starts the rest in namespaces below: there the mounts are locked, other
 * processes and their environments are out of sight, and whatever the app starts ends with it.
 */
const SCRIPT = `root=$1; shift
for name in ${FOLDERS.join(' ')}; do [ ! -d "$root/$name" ] || mount -t tmpfs none "$root/$name" || exit 125; done
for name in ${FILES.join(' ')}; do [ ! -f "$root/$name" ] || mount --bind /dev/null "$root/$name" || exit 125; done
exec unshare --user --map-root-user --mount --pid --fork --kill-child --mount-proc "$@"`;

let available: boolean | undefined;

/** Command and arguments that run a program out of sight of a Hub's folder, or the program itself where Linux's namespaces are not to be had. */
export function isolated(root: string, file: string, args: readonly string[]): [string, string[]] {
  available ??= process.platform === 'linux' && probe(root);
  return available ? ['unshare', wrap(root, [file, ...args])] : [file, [...args]];
}

const wrap = (root: string, command: readonly string[]): string[] => [
  ...['--user', '--map-root-user', '--mount', 'sh', '-c', SCRIPT, 'sh', root],
  ...command,
];

function probe(root: string): boolean {
  return spawnSync('unshare', wrap(root, ['true']), { stdio: 'ignore', timeout: 10_000 }).status === 0;
}
