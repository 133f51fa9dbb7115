/**
 * All set-up, from a bare clone to a runnable service: node modules, Python environment, tools and build, in parallel.
 * Needs nothing but Node and Python. Idempotent: each part leaves a stamp of what it was made from, last of all, so that
 * an interrupted set-up goes on where it stopped.
 */
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isAlive, takeLock } from './setup-lock.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const at = (...parts) => join(root, ...parts);
const children = new Set();
/** Held from the first part that has work to do until set-up ends; two at a time would install over each other. */
let lock = null;
/** An installed package brings its build, and npm has installed its modules. */
const isPackage = !existsSync(at('tsconfig.build.json'));

/** Brings everything up to date; `dev` adds what the tests need. Resolves to the seconds it took. */
export async function setUp({ dev = false } = {}) {
  const started = Date.now();
  checkNode();
  const python = findPython();
  const release = async () => (await lock)?.();
  const stop = async (signal) => {
    for (const child of children) child.kill('SIGTERM');
    await release();
    process.exit(signal === 'SIGINT' ? 130 : 143);
  };
  process.once('SIGINT', stop).once('SIGTERM', stop);
  try {
    await Promise.all([
      isPackage ||
        part('node modules', nodeModulesStamp(), at('node_modules', '.plein-air'), installNodeModules).then(
          () => part('build', buildStamp(), at('dist', '.plein-air'), build),
        ),
      part('tools', toolsStamp(python), at('.tools', '.plein-air'), () => installTools(python))
        .then(() =>
          part('python packages', pythonStamp(python, dev), at('gpu-worker', '.venv', '.plein-air'), () =>
            installPython(python, dev),
          ),
        )
        .then(
          () =>
            dev &&
            part('older Hub client', olderClientStamp(python), at(OLDER_CLIENT, '.venv', '.plein-air'), () =>
              installOlderClient(python),
            ),
        ),
    ]);
  } catch (error) {
    for (const child of children) child.kill('SIGTERM');
    throw error;
  } finally {
    await release();
    lock = null;
  }
  process.off('SIGINT', stop).off('SIGTERM', stop);
  return (Date.now() - started) / 1000;
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19))
    fail(
      `expected Node 20.19 or newer, got ${process.versions.node}: install a newer Node and run this again`,
    );
}

function findPython() {
  const candidates = [
    process.env.PLEIN_AIR_SETUP_PYTHON,
    'python3',
    'python3.13',
    'python3.12',
    'python3.11',
    'python',
  ];
  for (const command of candidates.filter(Boolean)) {
    try {
      const script = 'import sys; print("%d.%d" % sys.version_info[:2]); print(sys.executable)';
      const [version, path] = execFileSync(command, ['-c', script], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      })
        .trim()
        .split(/\r?\n/);
      const [major, minor] = version.split('.').map(Number);
      if (major === 3 && minor >= 11) return { path, version };
    } catch {
      // Not there or not a Python: the next candidate may be.
    }
  }
  return fail(
    'expected Python 3.11 or newer on the PATH, found none: install it (Debian: apt-get install python3 python3-venv) or set PLEIN_AIR_SETUP_PYTHON',
  );
}

/** Where the Hub's Python client of the version before lives, which only tests use. */
const OLDER_CLIENT = join('test', 'hub-conformance');

const sha = (...texts) => {
  const hash = createHash('sha256');
  for (const text of texts) hash.update(text).update('\0');
  return hash.digest('hex');
};

const nodeModulesStamp = () =>
  sha(readFileSync(at('package-lock.json')), process.versions.modules, process.platform, process.arch);
const toolsStamp = (python) =>
  sha(readFileSync(at('temporal', 'requirements.lock')), python.version, python.path);
const olderClientStamp = (python) =>
  sha(readFileSync(at(OLDER_CLIENT, 'client-1x.lock')), python.version, python.path);
const pythonLock = (dev) => at('gpu-worker', `requirements${dev ? '-dev' : gpu ? '-gpu' : ''}.lock`);
/** `PLEIN_AIR_SETUP_GPU=1`: also what a GPU machine needs, such as bitsandbytes; the development packages have it. */
const gpu = process.env.PLEIN_AIR_SETUP_GPU === '1';
/** `PLEIN_AIR_SETUP_TORCH=system`: the machine's own torch and CUDA, for drivers that the locked ones are too new for. */
const systemTorch = process.env.PLEIN_AIR_SETUP_TORCH === 'system';
const BESIDE_TORCH = /^(torch|triton|nvidia-[a-z0-9-]+|cuda-[a-z0-9-]+)==/;
/** An environment with the development packages serves for both, so both stamps are accepted without them. */
const pythonStamp = (python, dev) =>
  (dev ? [true] : [false, true]).map((d) =>
    sha(readFileSync(pythonLock(d)), python.version, python.path, ...(systemTorch ? ['system torch'] : [])),
  );

function buildStamp() {
  const files = [
    'src',
    'scripts/bundle-workflows.mjs',
    'tsconfig.json',
    'tsconfig.build.json',
    'package-lock.json',
  ];
  return sha(...files.flatMap((file) => readTree(at(file))));
}

function readTree(path) {
  const entries = statDirectory(path);
  if (entries === null) return [relative(root, path), readFileSync(path)];
  return entries.sort().flatMap((name) => readTree(join(path, name)));
}

function statDirectory(path) {
  try {
    return readdirSync(path);
  } catch (error) {
    if (error.code === 'ENOTDIR') return null;
    throw error;
  }
}

/** Runs one part unless its stamp says that it is up to date; the stamp is written last. */
async function part(name, stamp, stampFile, work) {
  const accepted = Array.isArray(stamp) ? stamp : [stamp];
  const isReady = () => existsSync(stampFile) && accepted.includes(readFileSync(stampFile, 'utf8'));
  if (isReady()) return;
  lock ??= takeLock(at('.setup.lock'), say);
  await lock;
  // Whoever had the lock before may have done it.
  if (isReady()) return;
  const started = Date.now();
  say(`set-up: ${name} …`);
  await work();
  mkdirSync(join(stampFile, '..'), { recursive: true });
  writeFileSync(`${stampFile}.tmp`, accepted[0]);
  renameSync(`${stampFile}.tmp`, stampFile);
  say(`set-up: ${name} ready in ${((Date.now() - started) / 1000).toFixed(0)} s`);
}

const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';

function installNodeModules() {
  const owner = runningStack();
  if (owner !== null)
    fail(
      `expected no running stack while node modules are installed anew (another Node than before, or other packages), got one (process ${owner}): end "plein-air up" first, or use the Node that it runs on`,
    );
  return command('node modules', npm, ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
}

/** The process that holds the stack of this folder; null: none runs. */
function runningStack() {
  try {
    const file = join(process.env.PLEIN_AIR_DATA_DIR ?? join(process.cwd(), '.plein-air'), 'stack.json');
    const { owner } = JSON.parse(readFileSync(file, 'utf8'));
    return Number.isInteger(owner) && isAlive(owner) ? owner : null;
  } catch {
    return null;
  }
}

async function build() {
  await command('build', process.execPath, [
    at('node_modules', 'typescript', 'bin', 'tsc'),
    '-p',
    'tsconfig.build.json',
  ]);
  await command('build', process.execPath, [at('scripts', 'bundle-workflows.mjs')]);
}

const bin = (venv, name) =>
  process.platform === 'win32' ? join(venv, 'Scripts', `${name}.exe`) : join(venv, 'bin', name);

async function makeVenv(python, folder, ...options) {
  if (existsSync(bin(folder, 'python'))) return;
  try {
    await command('Python environment', python.path, ['-m', 'venv', ...options, folder]);
  } catch (error) {
    // Pythons without ensurepip leave half an environment; virtualenv brings its own pip.
    rmSync(folder, { recursive: true, force: true });
    await command('Python environment', python.path, ['-m', 'virtualenv', ...options, folder]).catch(() =>
      fail(
        `${error.message}\nDebian and Ubuntu need one more package for this: apt-get install python3-venv; elsewhere: pip install virtualenv`,
      ),
    );
  }
}

async function installTools(python) {
  const venv = at('.tools');
  await makeVenv(python, venv);
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--require-hashes'];
  await command('tools', bin(venv, 'python'), [...pip, '-r', at('temporal', 'requirements.lock')]);
}

async function installPython(python, dev) {
  const venv = at('gpu-worker', '.venv');
  await makeVenv(python, venv, ...(systemTorch ? ['--system-site-packages'] : []));
  const uv = bin(at('.tools'), 'uv');
  const lock = systemTorch
    ? lockWithoutTorch(pythonLock(dev), join(venv, 'without-torch.lock'))
    : pythonLock(dev);
  const args = ['pip', 'sync', '--require-hashes', '--python', bin(venv, 'python'), lock];
  await command('python packages', uv, args);
}

async function installOlderClient(python) {
  const venv = at(OLDER_CLIENT, '.venv');
  await makeVenv(python, venv);
  const sync = ['pip', 'sync', '--require-hashes', '--python', bin(venv, 'python')];
  await command('older Hub client', bin(at('.tools'), 'uv'), [...sync, at(OLDER_CLIENT, 'client-1x.lock')]);
}

/** The lock without torch and what only torch brings; a requirement goes with its lines of hashes. */
function lockWithoutTorch(lock, target) {
  const requirements = readFileSync(lock, 'utf8').split(/\n(?=\S)/);
  writeFileSync(target, requirements.filter((one) => !BESIDE_TORCH.test(one)).join('\n'));
  return target;
}

/** Runs a command from the project's folder; its output is shown only when it fails. */
function command(name, file, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      shell: file.endsWith('.cmd'),
    });
    children.add(child);
    const output = [];
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => output.push(chunk));
    const waiting = setInterval(() => say(`set-up: ${name} still working …`), 30_000);
    const end = (error) => {
      clearInterval(waiting);
      children.delete(child);
      if (error === null) resolve();
      else reject(error);
    };
    child.on('error', (error) => end(new Error(`${name}: ${file} did not start: ${error.message}`)));
    child.on('close', (code, signal) => {
      if (code === 0) return end(null);
      const tail = Buffer.concat(output).toString('utf8').trim().split('\n').slice(-30).join('\n');
      end(new Error(`${name} failed (${signal ?? `exit code ${code}`}): ${file} ${args.join(' ')}\n${tail}`));
    });
  });
}

function say(text) {
  process.stderr.write(`${text}\n`);
}

function fail(message) {
  process.stderr.write(`set-up: ${message}\n`);
  process.exit(1);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    const seconds = await setUp({ dev: process.argv.includes('--dev') });
    say(`set-up: all ready (${seconds.toFixed(1)} s)`);
  } catch (error) {
    fail(`${error.message}\nMend the cause and run the same command again: what is done stays done.`);
  }
}
