/**
 * Rewrites package-lock.json from package.json (`npm run lock:node`), and completes it: a registry that does not serve the
 * binaries of other platforms leaves them out of the lock file, and `npm ci` then refuses it. What is missing is written
 * by the exact version its parent names, with the platform that the package's own name tells.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const OS = ['android', 'darwin', 'freebsd', 'linux', 'openharmony', 'win32'];
const CPU = ['arm', 'arm64', 'ia32', 'loong64', 'ppc64', 'riscv64', 's390x', 'wasm32', 'x64'];

const root = fileURLToPath(new URL('..', import.meta.url));
const file = fileURLToPath(new URL('../package-lock.json', import.meta.url));
execFileSync('npm', ['install', '--package-lock-only', '--ignore-scripts'], { cwd: root, stdio: 'inherit' });

const lock = JSON.parse(readFileSync(file, 'utf8'));
let added = 0;
for (const parent of Object.values({ ...lock.packages })) {
  for (const [name, version] of Object.entries(parent.optionalDependencies ?? {})) {
    const place = `node_modules/${name}`;
    if (place in lock.packages || !/^\d/.test(version)) continue;
    lock.packages[place] = { version, ...(parent.dev && { dev: true }), optional: true, ...platform(name) };
    added += 1;
  }
}
lock.packages = Object.fromEntries(
  Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)),
);
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
process.stderr.write(`package-lock.json: ${added} packages of other platforms added\n`);

function platform(name) {
  const words = name.split(/[-/_]/);
  const os = OS.filter((one) => words.includes(one));
  const cpu = words.some((word) => ['gnueabihf', 'musleabihf', 'eabi'].includes(word))
    ? ['arm']
    : CPU.filter((one) => words.includes(one));
  const libc = words.some((word) => word.startsWith('musl'))
    ? ['musl']
    : words.includes('gnu')
      ? ['glibc']
      : [];
  return Object.fromEntries(
    Object.entries({ cpu, libc: os.includes('linux') ? libc : [], os }).filter(([, list]) => list.length > 0),
  );
}
