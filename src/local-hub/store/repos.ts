import { randomBytes } from 'node:crypto';
import { lstat, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { badRequest, HubError } from '../http/errors.ts';
import { ensureFolder, replaceFile, syncDirectory, temporaryPath } from './durable.ts';
import { RecordCache } from './record-cache.ts';
import { Repo, RepoRecord, type RepoType } from './repo.ts';

const NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,95}$/;

/** Whether this is `namespace/name` by the Hub's rules. */
export function isRepoId(id: string): boolean {
  const names = id.split('/');
  return (
    names.length === 2 &&
    names.every((name) => NAME.test(name) && !/\.\.|--|\.git$|[.-]$/.test(name)) &&
    !['api', 'datasets', 'spaces', 'models'].includes(names[0] ?? '')
  );
}

/** Insists on `namespace/name` by the Hub's rules. */
export function checkRepoId(id: string): string {
  if (!isRepoId(id))
    throw badRequest(
      `Expected a repo id "namespace/name" of letters, digits, - _ and ., got ${JSON.stringify(id.slice(0, 200))}`,
    );
  return id;
}

/** Under which a repo is held open. */
const keyOf = (type: RepoType, id: string): string => `${type}:${id.toLowerCase()}`;

/** Every repo under the Hub's folder, each opened once so that its lock is shared. */
export class RepoCollection {
  readonly #root: string;
  readonly #open = new Map<string, Promise<Repo | undefined>>();
  readonly #cache = new RecordCache();

  constructor(root: string) {
    this.#root = root;
  }

  #folder(type: RepoType, id: string): string {
    return join(this.#root, 'repos', `${type}s`, ...id.split('/'));
  }

  /** The repo, or undefined where there is none. */
  async find(type: RepoType, id: string): Promise<Repo | undefined> {
    if (!isRepoId(id)) return undefined;
    const key = keyOf(type, id);
    const known = this.#open.get(key);
    if (known) return known;
    const opening = this.#read(type, id);
    this.#open.set(key, opening);
    let repo: Repo | undefined;
    try {
      repo = await opening;
    } finally {
      // Only what this call put there: a repo that came meanwhile must stay the one that all callers share.
      if (!repo && this.#open.get(key) === opening) this.#open.delete(key);
    }
    return repo;
  }

  async #read(type: RepoType, id: string): Promise<Repo | undefined> {
    const spelled = await this.#spelling(type, id);
    const folder = this.#folder(type, spelled);
    for (const at of [dirname(folder), folder])
      if (!(await lstat(at).catch(() => undefined))?.isDirectory()) return undefined;
    const text = await readFile(join(folder, 'repo.json'), 'utf8').catch(() => undefined);
    if (text === undefined) return undefined;
    const record = RepoRecord.parse(JSON.parse(text));
    return new Repo(this.#root, { type, id: spelled, folder, record, cache: this.#cache });
  }

  /** An id as it was created: ids are one whatever their letters' case, as on the real Hub. */
  async #spelling(type: RepoType, id: string): Promise<string> {
    const names: string[] = [];
    for (const name of id.split('/')) {
      const there = await readdir(join(this.#root, 'repos', `${type}s`, ...names)).catch((): string[] => []);
      const same = there.find((one) => one.toLowerCase() === name.toLowerCase());
      names.push(there.includes(name) ? name : (same ?? name));
    }
    return names.join('/');
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
    const draft = new Repo(this.#root, { type, id, folder: staging, record: full, cache: this.#cache });
    try {
      await draft.update({});
      await prepare(draft);
      await this.#place(staging, type, id);
    } catch (error) {
      await rm(staging, { recursive: true, force: true });
      throw error;
    }
    await rm(this.#redirect(type, id), { force: true });
    const repo = await this.find(type, id);
    if (!repo) throw new Error(`Expected the new repo ${id} to be readable`);
    return repo;
  }

  /** Removes a repo in one rename; its files are swept up afterwards. */
  async remove(repo: Repo): Promise<void> {
    const grave = temporaryPath(this.#root);
    await rename(repo.folder, grave);
    repo.gone = true;
    this.#open.delete(keyOf(repo.type, repo.id));
    await syncDirectory(dirname(repo.folder));
    await rm(this.#redirect(repo.type, repo.id), { force: true });
    await rm(grave, { recursive: true, force: true });
  }

  /** Gives a repo another id. */
  async move(repo: Repo, id: string): Promise<void> {
    checkRepoId(id);
    await replaceFile(this.#root, this.#redirect(repo.type, repo.id), id);
    await this.#place(repo.folder, repo.type, id);
    repo.gone = true;
    this.#open.delete(keyOf(repo.type, repo.id));
    await syncDirectory(dirname(repo.folder));
    await rm(this.#redirect(repo.type, id), { force: true });
  }

  /** Renames a whole repo to the place of its id; 409 where another is there. */
  async #place(from: string, type: RepoType, id: string): Promise<void> {
    if ((await this.#spelling(type, id)) !== id && (await this.find(type, id)))
      throw new HubError(409, `${id} exists already, in another spelling`);
    // The namespace as it is spelled already: two spellings would be one folder on some systems.
    const namespace = (await this.#spelling(type, id)).split('/')[0] ?? '';
    const target = this.#folder(type, `${namespace}/${id.split('/')[1]}`);
    await ensureFolder(dirname(target));
    try {
      await rename(from, target);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOTEMPTY' || code === 'EEXIST') throw new HubError(409, `${id} exists already`);
      throw error;
    }
    this.#open.delete(keyOf(type, id));
    await syncDirectory(dirname(target));
  }

  /** The id that a repo of this id was moved to, over several moves; undefined where nothing was moved. */
  async movedTo(type: RepoType, id: string): Promise<string | undefined> {
    let at = id;
    for (let moves = 0; moves < 20; moves += 1) {
      const next = await readFile(this.#redirect(type, checkRepoId(at)), 'utf8').catch(() => undefined);
      if (next === undefined) return undefined;
      if (await this.find(type, next)) return next;
      at = next;
    }
    return undefined;
  }

  #redirect(type: RepoType, id: string): string {
    return join(this.#root, 'redirects', `${type}s`, ...id.split('/'));
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
