import { readFileSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { execa, execaSync } from 'execa';
import { readBranch, type TrainingBranch } from '../../src/activities/train/branch.ts';
import { descendants } from '../../src/cli/stack/descendants.ts';
import { processEnvironment, pythonPath, readEnvironment } from '../../src/config/env.ts';
import { PROJECT } from '../../src/config/paths.ts';
import { RepoId } from '../../src/domain/refs.ts';
import { seedGeneratedWikiArt } from '../../src/wikiart/synthetic/seed.ts';
import { Fleet, until } from '../chaos/lib/fleet.ts';
import { SHORT_RUN } from '../chaos/lib/short-run.ts';
import { openTlsDoor, type TlsDoor } from '../chaos/lib/tls-door.ts';
import { TOKEN } from '../local-hub/hub-in-test.ts';

const EXECUTE = `
import sys
import nbformat
from nbclient import NotebookClient
book = nbformat.read(sys.argv[1], 4)
try:
    NotebookClient(book, timeout=240, kernel_name="python3").execute()
finally:
    nbformat.write(book, sys.argv[2])
`;
const NOTEBOOK = join(PROJECT, 'gpu-worker', 'colab.ipynb');
const python = pythonPath(readEnvironment());

const setUpPython = execaSync('python3', ['-c', 'import sys; print(sys.executable)']).stdout;

let fleet: Fleet;
let door: TlsDoor;

beforeAll(async () => {
  fleet = await Fleet.open();
  door = await openTlsDoor(join(fleet.root, 'tls'), fleet.port);
}, 600_000);
afterAll(async () => {
  await door?.close();
  await fleet?.close();
}, 60_000);

/** The notebook with its form filled in as a person would. */
function filledIn(form: Record<string, string>): string {
  let text = readFileSync(NOTEBOOK, 'utf8');
  for (const [field, value] of Object.entries(form)) {
    const line = new RegExp(`"${field} = .*?(?=  # @param)`);
    if (!line.test(text)) throw new Error(`the notebook has no field ${field}`);
    // JSON twice: a text in Python, in a line of a notebook.
    text = text.replace(line, () => JSON.stringify(`${field} = ${JSON.stringify(value)}`).slice(0, -1));
  }
  const file = join(fleet.root, 'filled-in.ipynb');
  writeFileSync(file, text);
  return file;
}

/** Runs the notebook from top to bottom as Colab would; its secrets are variables here. */
function execute(secrets: Record<string, string>, form: Record<string, string> = {}) {
  const { PATH, HOME, LANG, PLEIN_AIR_SETUP_PYTHON } = processEnvironment();
  const to = join(fleet.root, 'executed.ipynb');
  return {
    process: execa(python, ['-c', EXECUTE, filledIn(form), to], {
      cwd: fleet.root,
      extendEnv: false,
      env: {
        // The Node and the Python of this test's own set-up, or set-up would install everything again.
        PATH: [dirname(process.execPath), PATH].join(delimiter),
        PLEIN_AIR_SETUP_PYTHON: PLEIN_AIR_SETUP_PYTHON ?? setUpPython,
        ...{ HOME: HOME ?? '', LANG: LANG ?? 'C.UTF-8' },
        ...{ JUPYTER_PREFER_ENV_PATH: '1', IPYTHONDIR: join(fleet.root, 'ipython'), ...secrets },
      },
      reject: false,
      all: true,
    }),
    said: async () => {
      const { cells } = JSON.parse(await readFile(to, 'utf8')) as {
        cells: { outputs?: { text?: string | string[]; ename?: string; evalue?: string }[] }[];
      };
      return cells
        .flatMap(({ outputs }) => outputs ?? [])
        .map(
          ({ text, ename, evalue }) =>
            [text].flat().join('') + (ename === undefined ? '' : `${ename}: ${evalue}`),
        )
        .join('\n');
    },
  };
}

const programBelow = (pid: number, program: string) =>
  descendants(pid).find((id) => {
    try {
      return readFileSync(`/proc/${id}/cmdline`, 'utf8').includes(program);
    } catch {
      return false;
    }
  }) ?? null;

it('trains a run to its end over mutual TLS, and ends in good order when its worker is told to', async () => {
  const training = { steps: 12, heldOutEvery: 12, checkpointEvery: 4, warmupSteps: 2 };
  const { result } = await fleet.start(fleet.request('colab', { training }));
  const book = execute({
    HF_TOKEN: TOKEN,
    HF_ENDPOINT: fleet.hubUrl,
    TEMPORAL_ADDRESS: door.address,
    // As a form with one line leaves it, and as people write it.
    TEMPORAL_TLS_CLIENT_CERT_DATA: door.certificate.replaceAll('\n', ' '),
    TEMPORAL_TLS_CLIENT_KEY_DATA: door.key.replaceAll('\n', '\\n'),
    TEMPORAL_TLS_SERVER_CA_CERT_DATA: door.ca,
    PLEIN_AIR_SOURCE: PROJECT,
    PLEIN_AIR_CONTENT: join(fleet.root, 'content'),
  });
  const ended = book.process.then((done) => {
    if (done.exitCode !== 0) throw new Error(done.all);
  });
  const trained = await Promise.race([
    result,
    ended.then(() => book.said()).then((said) => Promise.reject(new Error(said))),
  ]);
  expect(trained).toMatchObject({ outcome: 'done', step: 12 });
  const worker = await until('the notebook runs a worker', () =>
    programBelow(book.process.pid ?? 0, 'gpu-worker.js'),
  );
  process.kill(worker, 'SIGTERM');
  await ended;
  const said = await book.said();
  expect(said).toContain('the worker has ended');
  expect(said).toMatch(/\(cpu\), no GPU memory, torch \d/);
  expect(door.welcomed).toBeGreaterThan(0);
  expect(said).not.toContain(TOKEN);
  expect(said).not.toContain(door.key.split('\n')[1] as string);
}, 600_000);

it('alone, without a Temporal server, goes on by the run’s name when the session before died with all that it had', async () => {
  const hub = { hubUrl: fleet.hubUrl, accessToken: TOKEN };
  const generated = {
    repo: 'plein-air/generated-wikiart',
    images: 160,
    workDir: join(fleet.root, 'wikiart'),
  };
  await seedGeneratedWikiArt({ ...hub, ...generated });
  const session = (name: string) =>
    execute(
      {
        ...{ HF_TOKEN: TOKEN, HF_ENDPOINT: fleet.hubUrl, PLEIN_AIR_SOURCE: PROJECT },
        PLEIN_AIR_CONTENT: join(fleet.root, name),
      },
      { RUN: 'evening', INPUT: JSON.stringify({ profile: 'tiny', ...SHORT_RUN }) },
    );
  const branch: TrainingBranch = {
    ...{ hub: fleet.hub, name: 'main' },
    repo: { type: 'model', repo: RepoId.parse('plein-air/evening-checkpoints') },
  };
  const read = () => readBranch(branch).catch(() => null);

  const first = session('first-session');
  const saved = await until('a checkpoint is on the Hub', async () => (await read())?.checkpoints[0] ?? null);
  for (const pid of [...descendants(first.process.pid ?? 0), first.process.pid ?? 0])
    process.kill(pid, 'SIGKILL');
  await first.process;

  const second = session('second-session');
  const ledger = await until('the run is trained', async () => {
    const found = (await read())?.ledger;
    return found?.result == null ? null : found;
  });
  expect(ledger.attempts.at(-1)?.resumedFrom).toBeGreaterThanOrEqual(saved.step);
  process.kill(programBelow(second.process.pid ?? 0, 'main.js\0run') ?? 0, 'SIGTERM');
  expect(await second.process).toMatchObject({ exitCode: 0 });
  const said = await second.said();
  expect(said).toContain('evening resumes from the Hub');
  expect(said).toContain('the run is held');
  expect(said).not.toContain(TOKEN);
}, 900_000);

it('names every secret that is missing, at once, and goes no further', async () => {
  const book = execute({
    TEMPORAL_TLS_CLIENT_CERT_DATA: 'x',
  });
  expect((await book.process).exitCode).not.toBe(0);
  const said = await book.said();
  for (const name of ['HF_TOKEN', 'PLEIN_AIR_SOURCE', 'both or neither', 'belong to a server'])
    expect(said).toContain(name);
  expect(said).not.toContain('Plein Air in');
}, 600_000);
