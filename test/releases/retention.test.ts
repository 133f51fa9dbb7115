import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createPublishRelease } from '../../src/activities/release/deploy.ts';
import { BRANCH_FILES } from '../../src/activities/train/branch.ts';
import { tidyBranch } from '../../src/activities/train/squash.ts';
import { type RepoRef, Sha256 } from '../../src/domain/refs.ts';
import { connectHub } from '../../src/hub/client.ts';
import type { Hub } from '../../src/hub/hub.ts';
import { startLocalHub } from '../../src/local-hub/server.ts';
import { type Reference, releaseReferences } from '../../src/releases/references.ts';
import { type DeployRequest, runInTest, sha } from '../activities/run-in-test.ts';

let root: string;
let server: Awaited<ReturnType<typeof startLocalHub>>;
let hub: Hub;
let number = 0;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'retention-'));
  server = await startLocalHub({ root: join(root, 'hub') });
  hub = connectHub({ endpoint: server.url, accessToken: 'hf_local_plein_air' });
});
afterAll(async () => {
  await server.close();
  await rm(root, { recursive: true, force: true });
});

const FENCE = { path: BRANCH_FILES.fence, content: '{"format":1,"token":1,"owner":"this test"}' };
const WEIGHTS = 'pytorch_lora_weights.safetensors';

/** What retention and everybody else may do to the repositories of a run, before and after it is released. */
const actions = {
  /** Another checkpoint, with new weights or with those of the one before. */
  checkpoint: (sameBytes: boolean) => ({ name: 'checkpoint', sameBytes }) as const,
  /** All checkpoints leave the branch, and all that ever lay there is to be freed. */
  dropAndTidy: { name: 'dropAndTidy' } as const,
  squash: (which: 'checkpoints' | 'record' | 'dataset') => ({ name: 'squash', which }) as const,
  /** The run goes on and overwrites what its record says. */
  overwrite: { name: 'overwrite' } as const,
  release: { name: 'release' } as const,
};
const action = fc.oneof(
  fc.boolean().map(actions.checkpoint),
  fc.constant(actions.dropAndTidy),
  fc.constantFrom('checkpoints' as const, 'record' as const, 'dataset' as const).map(actions.squash),
  fc.constant(actions.overwrite),
  fc.constant(actions.release),
);

type Action = typeof action extends fc.Arbitrary<infer A> ? A : never;

/** A run's repositories under all of that, and what its releases refer to, byte for byte as it was. */
class Run {
  readonly #request: DeployRequest;
  readonly #repos: Record<'checkpoints' | 'record' | 'dataset', RepoRef>;
  readonly #ever = new Set<string>();
  readonly #held = new Map<string, Buffer>();
  #step = 100;
  #last: Buffer = Buffer.from('the released weights');

  constructor(request: DeployRequest) {
    this.#request = request;
    const { repos } = request.context;
    this.#repos = {
      checkpoints: { type: 'model', repo: repos.checkpoints },
      record: { type: 'dataset', repo: repos.record },
      dataset: { type: request.dataset.dataset.type, repo: request.dataset.dataset.repo },
    };
  }

  async do(what: Action): Promise<void> {
    const { checkpoints, record } = this.#repos;
    switch (what.name) {
      case 'checkpoint': {
        this.#step += 1;
        this.#last = what.sameBytes ? this.#last : Buffer.from(`weights of step ${this.#step}`);
        const path = `checkpoints/step-${String(this.#step).padStart(8, '0')}/${WEIGHTS}`;
        const files = [{ path, content: this.#last }, FENCE];
        await hub.commit({ repo: checkpoints, message: `Step ${this.#step}`, files });
        return this.#remember();
      }
      case 'dropAndTidy': {
        await this.#remember();
        const folders = (await hub.list(checkpoints, 'main', 'checkpoints')).map((f) => f.path);
        await hub.commit({ repo: checkpoints, message: 'Drop', files: [FENCE], delete: folders });
        const branch = { hub, repo: checkpoints, name: 'main' };
        await tidyBranch(
          branch,
          1,
          [...this.#ever].map((s) => Sha256.parse(s)),
        );
        return;
      }
      case 'squash':
        await hub.squash(this.#repos[what.which], 'main', 'Squash');
        return;
      case 'overwrite': {
        const files = ['report.json', 'verdict.json'].map((name) => ({
          path: `evaluation/${name}`,
          content: `{"later": ${number++}}`,
        }));
        await hub.commit({ repo: record, message: 'Another evaluation', files });
        return;
      }
      case 'release':
        return this.release();
    }
  }

  /** Releases what the run was made with, where that is still there, and reads all it refers to. */
  async release(): Promise<void> {
    await createPublishRelease({ hub })(this.#request);
    for (const ref of await this.references())
      if (!this.#held.has(keyOf(ref))) this.#held.set(keyOf(ref), await this.#bytesOf(ref));
  }

  /** Other people's repositories are theirs to keep. */
  async references(): Promise<Reference[]> {
    const all = await releaseReferences(hub, this.#request.context.repos.release);
    return all.filter((ref) => ref.role !== 'base' && ref.role !== 'source');
  }

  /** Everything that a release refers to is there, to the byte. */
  async check(): Promise<void> {
    for (const ref of await this.references())
      expect({ key: keyOf(ref), bytes: (await this.#bytesOf(ref)).toString('hex') }).toEqual({
        key: keyOf(ref),
        bytes: this.#held.get(keyOf(ref))?.toString('hex'),
      });
  }

  async #bytesOf({ type, repo, commit, path }: Reference): Promise<Buffer> {
    const below = path === null ? '' : path;
    const files = (await hub.list({ type, repo }, commit)).filter((f) => f.path.startsWith(below));
    if (files.length === 0) throw new Error(`nothing at ${repo}@${commit}:${below}`);
    const read = files.map(async (f) => {
      const bytes = await hub.read({ type, repo }, commit, f.path);
      if (bytes === null) throw new Error(`${repo}@${commit}:${f.path} is gone`);
      return bytes;
    });
    return Buffer.concat(await Promise.all(read));
  }

  async #remember(): Promise<void> {
    for (const { sha256 } of await hub.list(this.#repos.checkpoints, 'main'))
      if (sha256 !== null) this.#ever.add(sha256);
  }
}

function keyOf({ role, repo, commit, path }: Reference): string {
  return [role, repo, commit, path].join(' ');
}

describe('retention', () => {
  it('never takes anything that a release refers to, whatever is dropped, squashed, freed or overwritten', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 1, maxLength: 8 }), async (sequence) => {
        number += 1;
        const run = new Run(await runWithWeights(`kept-${number}`));
        await run.release();
        for (const what of sequence) {
          await run.do(what);
          await run.check();
        }
      }),
      {
        numRuns: 12,
        seed: 9,
        examples: [[[actions.dropAndTidy]], [[actions.checkpoint(true), actions.dropAndTidy]]],
      },
    );
  }, 120_000);
});

/** A run whose chosen checkpoint holds weights of its own, and whose fence is ours. */
async function runWithWeights(run: string): Promise<DeployRequest> {
  const request = await runInTest({ hub, namespace: 'team', run, model: run });
  const repo = { type: 'model', repo: request.context.repos.checkpoints } as const;
  const path = request.training.path;
  const commit = await hub.commit({
    ...{ repo, message: 'The chosen checkpoint' },
    files: [{ path: `${path}/${WEIGHTS}`, content: `the released weights of ${run}, ${sha(run)}` }, FENCE],
  });
  return { ...request, training: { ...request.training, checkpoint: { ...repo, commit } } };
}
