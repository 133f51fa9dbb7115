import { rm } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Cards } from '../cards/cards.ts';
import type { BlobStore } from '../store/blobs.ts';
import { isFolder } from '../store/directories.ts';
import { Mutex } from '../store/mutex.ts';
import type { Repo } from '../store/repo.ts';
import { splitRepoPath } from '../store/repo-path.ts';
import { locate } from '../store/tree.ts';
import type { TrustFiles } from '../tls/self-signed.ts';
import { AppProcess } from './app-process.ts';
import { checkOut } from './checkout.ts';

const START_LIMIT_MS = 300_000;
/** How often an app's sleep time is looked at: it may change while the app runs. */
const REST_LOOK_MS = 250;

/** How to run Spaces: the interpreter (with gradio installed) and what its environment holds beside the Space's own. */
export interface RunSpaces {
  readonly python: string;
  readonly environment?: Readonly<Record<string, string>>;
}

/** Where Spaces' clients find this Hub, and the files that they have to trust for it. */
export interface HubForSpaces {
  readonly url: string;
  readonly trust?: TrustFiles;
}

/** Variables by which Python's and Node's clients trust a Hub's own authority. */
function trusting(files: TrustFiles | undefined): Record<string, string> {
  if (files === undefined) return {};
  const { authority, bundle } = files;
  return { SSL_CERT_FILE: bundle, REQUESTS_CA_BUNDLE: bundle, NODE_EXTRA_CA_CERTS: authority };
}

/** What is known of a Space's app. */
export interface SpaceState {
  readonly stage:
    | 'NO_APP_FILE'
    | 'BUILDING'
    | 'APP_STARTING'
    | 'RUNNING'
    | 'SLEEPING'
    | 'RUNTIME_ERROR'
    | 'STOPPED';
  readonly sha?: string;
  readonly error?: string;
  readonly url?: string;
  readonly log: readonly string[];
}

interface Slot {
  readonly mutex: Mutex;
  wanted: number;
  process?: AppProcess | undefined;
  state: SpaceState;
}

/** Runs each Space's app as a process, and runs it anew when its files, settings or owner ask for it. */
export class SpaceRunner {
  readonly #options: RunSpaces;
  readonly #root: string;
  readonly #blobs: BlobStore;
  readonly #cards: Cards;
  readonly #slots = new Map<string, Slot>();
  #hub: HubForSpaces = { url: '' };
  #closed = false;

  constructor(options: RunSpaces, { root, blobs, cards }: { root: string; blobs: BlobStore; cards: Cards }) {
    this.#options = options;
    this.#root = root;
    this.#blobs = blobs;
    this.#cards = cards;
  }

  /** Starts every Space that is not paused. */
  open(hub: HubForSpaces, spaces: readonly Repo[]): void {
    this.#hub = hub;
    for (const repo of spaces) this.refresh(repo);
  }

  #slot(repo: Repo): Slot {
    const known = this.#slots.get(repo.record.uid);
    if (known) return known;
    const slot: Slot = { mutex: new Mutex(), wanted: 0, state: { stage: 'STOPPED', log: [] } };
    this.#slots.set(repo.record.uid, slot);
    return slot;
  }

  /** The state of a Space's app. */
  state(repo: Repo): SpaceState {
    const { state, process } = this.#slot(repo);
    return process ? { ...state, log: process.log } : state;
  }

  /** Stops the app and, unless the Space is paused or gone, starts it from the newest commit; returns at once. */
  refresh(repo: Repo): void {
    const slot = this.#slot(repo);
    slot.wanted += 1;
    const mine = slot.wanted;
    slot.state = { stage: repo.record.paused || repo.gone ? 'STOPPED' : 'BUILDING', log: [] };
    void slot.mutex.run(async () => {
      await slot.process?.stop();
      slot.process = undefined;
      const outdated = (): boolean => this.#closed || slot.wanted !== mine;
      if (outdated() || repo.record.paused || repo.gone) return;
      try {
        await this.#start(repo, slot, outdated);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        if (!outdated()) slot.state = { stage: 'RUNTIME_ERROR', error: reason, log: [] };
      }
    });
  }

  async #start(repo: Repo, slot: Slot, outdated: () => boolean): Promise<void> {
    const sha = await repo.resolve('main');
    const appFile = await this.#appFile(repo, sha);
    if (appFile === undefined) {
      slot.state = { stage: 'NO_APP_FILE', sha, log: [] };
      return;
    }
    const folder = join(this.#root, 'running-spaces', repo.record.uid);
    await checkOut(this.#blobs, repo, sha, folder);
    const process = await AppProcess.start({
      python: this.#options.python,
      folder,
      hubFolder: this.#root,
      appFile,
      environment: this.#environment(repo, folder, sha),
    });
    slot.process = process;
    slot.state = { stage: 'APP_STARTING', sha, log: process.log };
    void this.#watch({ repo, slot, process, sha, outdated });
  }

  /** Follows a started process to its first answer and to its end. */
  async #watch(p: {
    repo: Repo;
    slot: Slot;
    process: AppProcess;
    sha: string;
    outdated: () => boolean;
  }): Promise<void> {
    const { repo, slot, process, sha, outdated } = p;
    const answered = await process.answers(START_LIMIT_MS);
    if (outdated()) return;
    if (answered) {
      slot.state = { stage: 'RUNNING', sha, url: `http://127.0.0.1:${process.port}`, log: process.log };
      const rested = await this.#rest(repo, process);
      if (outdated()) return;
      if (rested) {
        slot.state = { stage: 'SLEEPING', sha, log: process.log };
        return process.stop();
      }
    }
    const how = process.exit ?? `gave no answer within ${START_LIMIT_MS / 1000} s`;
    const error = `The app ${how}.`;
    slot.state = { stage: 'RUNTIME_ERROR', sha, error, log: process.log };
    await process.stop();
  }

  /**
   * Waits until the app has run for its Space's sleep time (true), or has ended. Requests go to the app and not through
   * this Hub: unlike the real one, it lets an app sleep whether or not it was visited, and wakes it on `restart` only.
   */
  async #rest(repo: Repo, process: AppProcess): Promise<boolean> {
    const began = performance.now();
    while (process.exit === undefined) {
      const { sleepTime } = repo.record;
      if (sleepTime !== undefined && sleepTime > 0 && performance.now() - began >= sleepTime * 1000)
        return true;
      await Promise.race([process.ended, delay(REST_LOOK_MS, undefined, { ref: false })]);
    }
    return false;
  }

  async #appFile(repo: Repo, sha: string): Promise<string | undefined> {
    const commit = await repo.commit(sha);
    const named = (await this.#cards.data(repo, commit))?.data.app_file;
    const path = typeof named === 'string' ? named : 'app.py';
    const entry = await locate(repo.objects, commit.tree, splitRepoPath(path));
    return entry && !isFolder(entry) ? path : undefined;
  }

  #environment(repo: Repo, folder: string, sha: string): Record<string, string> {
    const { python, environment } = this.#options;
    const own = [...Object.entries(repo.record.variables), ...Object.entries(repo.record.secrets)];
    return {
      PATH: isAbsolute(python)
        ? `${join(python, '..')}:/usr/local/bin:/usr/bin:/bin`
        : '/usr/local/bin:/usr/bin:/bin',
      HOME: folder,
      HF_HOME: join(this.#root, 'running-spaces', 'hf-home'),
      HF_ENDPOINT: this.#hub.url,
      ...trusting(this.#hub.trust),
      GRADIO_ANALYTICS_ENABLED: 'False',
      OMP_NUM_THREADS: '1',
      ...environment,
      SPACE_ID: repo.id,
      SPACE_AUTHOR_NAME: repo.id.split('/')[0] ?? '',
      SPACE_REPO_NAME: repo.id.split('/')[1] ?? '',
      SPACE_COMMIT: sha,
      ...Object.fromEntries(own.map(([key, { value }]) => [key, value])),
    };
  }

  /** Stops every app and removes their folders. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(
      [...this.#slots.values()].map((slot) => slot.mutex.run(async () => slot.process?.stop())),
    );
    await rm(join(this.#root, 'running-spaces'), { recursive: true, force: true });
  }
}
