import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { badRequest, HubError } from '../http/errors.ts';
import { ensureFolder, syncDirectory, temporaryPath } from './durable.ts';
import { Repo, RepoRecord, type RepoType } from './repo.ts';

const NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,95}$/;

/** Checks `namespace/name` by the Hub's rules. */
export function checkRepoId(id: string): string {
  const names = id.split('/');
  const fine =
    names.length === 2 &&
    names.every((name) => NAME.test(name) && !/\.\.|--|\.git$|[.-]$/.test(name)) &&
    !['api', 'datasets', 'spaces', 'models'].includes(names[0] ?? '');
  if (!fine)
    throw badRequest(
      `Expected a repo id "namespace/name" of letters, digits, - _ and ., got ${JSON.stringify(id.slice(0, 200))}`,
    );
  return id;
}

/** Every repo under the Hub's folder, each opened once so that its lock is shared. */
export class RepoCollection {
  readonly #root: string;
  readonly #open = new Map<string, Promise<Repo | undefined>>();

  constructor(root: string) {
    this.#root = root;
  }

  #folder(type: RepoType, id: string): string {
    return join(this.#root, 'repos', `${type}s`, ...id.split('/'));
  }

  /** The repo, or undefined where there is none. */
  async find(type: RepoType, id: string): Promise<Repo | undefined> {
    try {
      checkRepoId(id);
    } catch {
      return undefined;
    }
    const key = `${type}:${id}`;
    const known = this.#open.get(key);
    if (known) return known;
    const opening = this.#read(type, id);
    this.#open.set(key, opening);
    const repo = await opening.catch((error: unknown) => {
      this.#open.delete(key);
      throw error;
    });
    if (!repo) this.#open.delete(key);
    return repo;
  }

  async #read(type: RepoType, id: string): Promise<Repo | undefined> {
    const folder = this.#folder(type, id);
    const text = await readFile(join(folder, 'repo.json'), 'utf8').catch(() => undefined);
    if (text === undefined) return undefined;
    return new Repo(this.#root, { type, id, folder, record: RepoRecord.parse(JSON.parse(text)) });
  }

  /** Creates a repo in one rename; `prepare` fills it before anyone can see it. */
  async create(
    type: RepoType,
    id: string,
    record: Omit<Partial<RepoRecord>, 'uid' | 'createdAt'>,
    prepare: (repo: Repo) => Promise<void>,
  ): Promise<Repo> {
    checkRepoId(id);
    const staging = temporaryPath(this.#root);
    await mkdir(staging);
    const full = RepoRecord.parse({
      ...record,
      uid: randomBytes(12).toString('hex'),
      createdAt: new Date().toISOString(),
    });
    const draft = new Repo(this.#root, { type, id, folder: staging, record: full });
    try {
      await draft.update({});
      await prepare(draft);
      const target = this.#folder(type, id);
      await ensureFolder(dirname(target));
      await rename(staging, target);
      await syncDirectory(dirname(target));
    } catch (error) {
      await rm(staging, { recursive: true, force: true });
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOTEMPTY' || code === 'EEXIST') throw new HubError(409, `${id} exists already`);
      throw error;
    }
    this.#open.delete(`${type}:${id}`);
    const repo = await this.find(type, id);
    if (!repo) throw new Error(`Expected the new repo ${id} to be readable`);
    return repo;
  }

  /** Removes a repo in one rename; its files are swept up afterwards. */
  async remove(repo: Repo): Promise<void> {
    const grave = temporaryPath(this.#root);
    await rename(repo.folder, grave);
    repo.gone = true;
    this.#open.delete(`${repo.type}:${repo.id}`);
    await syncDirectory(dirname(repo.folder));
    await rm(grave, { recursive: true, force: true });
  }

  /** Gives a repo another id. */
  async move(repo: Repo, id: string): Promise<void> {
    checkRepoId(id);
    const target = this.#folder(repo.type, id);
    await ensureFolder(dirname(target));
    await rename(repo.folder, target);
    repo.gone = true;
    this.#open.delete(`${repo.type}:${repo.id}`);
    await syncDirectory(dirname(target));
  }

  /** All repos of a type, by id. */
  async list(type: RepoType): Promise<Repo[]> {
    const repos: Repo[] = [];
    const top = join(this.#root, 'repos', `${type}s`);
    for (const namespace of (await readdir(top).catch(() => [])).sort()) {
      for (const name of (await readdir(join(top, namespace)).catch(() => [])).sort()) {
        const repo = await this.find(type, `${namespace}/${name}`);
        if (repo) repos.push(repo);
      }
    }
    return repos;
  }
}
