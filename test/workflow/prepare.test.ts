import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ApplicationFailure } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { RepoId } from '../../src/domain/refs.ts';
import type {
  GpuActivities,
  PictureActivities,
  PipelineActivities,
} from '../../src/domain/run/activities.ts';
import type { PreparationResult } from '../../src/workflows/prepare.ts';
import { bundle, timeSkipping, withWorkers } from './environment.ts';
import { activities, commit, contextOf, preparedDataset } from './fakes.ts';

let environment: TestWorkflowEnvironment;
let workflowBundle: WorkflowBundleWithSourceMap;
beforeAll(async () => {
  [environment, workflowBundle] = await Promise.all([timeSkipping(), bundle()]);
}, 120_000);
afterAll(async () => {
  await environment?.teardown();
});

const work = RepoId.parse('plein-air/impressionism-0123-work');
const shards = [3, 1, 2].map((shard) => ({ shard, pictures: shard * 10 }));

function prepare(
  changes: Partial<PipelineActivities & PictureActivities & GpuActivities>,
  workflowId: string,
): Promise<PreparationResult> {
  return withWorkers(
    { environment, workflowBundle, activities: { ...activities(changes), ...changes } },
    async () =>
      environment.client.workflow.execute('prepare', { taskQueue: 'pipeline', workflowId, args: [{}] }),
  );
}

describe('prepare', () => {
  it('offers every shard at once, so that as many workers as there are can take them', async () => {
    const waiting = new Set<number>();
    let all: () => void = () => undefined;
    const everyone = new Promise<void>((go) => {
      all = go;
    });
    const result = await prepare(
      {
        planPreparation: async () => ({ done: null, work, shards }),
        prepareShard: async ({ shard }) => {
          waiting.add(shard);
          if (waiting.size === shards.length) all();
          await everyone;
          return { shard, kept: 1, dropped: 0 };
        },
      },
      'all-at-once',
    );
    expect([...waiting].sort()).toEqual([1, 2, 3]);
    expect(result.dataset).toEqual(preparedDataset);
  });

  it('assembles the dataset only when the last shard is there, one that failed at first included', async () => {
    const done: number[] = [];
    let assembledAfter = 0;
    let failures = 0;
    await prepare(
      {
        planPreparation: async () => ({ done: null, work, shards }),
        prepareShard: async ({ shard }) => {
          if (shard === 2 && failures < 2) {
            failures += 1;
            throw ApplicationFailure.create({ message: 'no answer', type: 'HubUnavailable' });
          }
          done.push(shard);
          return { shard, kept: 1, dropped: 0 };
        },
        assembleDataset: async () => {
          assembledAfter = done.length;
          return preparedDataset;
        },
      },
      'one-fails',
    );
    expect(assembledAfter).toBe(3);
    expect(failures).toBe(2);
  });

  it.each([
    ['after the last shard and before the dataset, piece by piece, where a captioner is set', true],
    ['not at all without one', false],
  ])('captions pictures %s', async (_, isSet) => {
    const done: string[] = [];
    const said = (what: string) => done.push(what);
    const captioner = { type: 'model' as const, repo: RepoId.parse('some/captioner'), commit };
    await prepare(
      {
        openRun: async ({ config, workflowId }) => ({
          ...contextOf(config, workflowId),
          ...(isSet ? { captioner } : {}),
        }),
        planPreparation: async () => ({ done: null, work, shards }),
        prepareShard: async ({ shard }) => {
          said('shard');
          return { shard, kept: 1, dropped: 0 };
        },
        planCaptions: async () => {
          said('plan');
          return { pieces: [0, 1].map((piece) => ({ piece, pictures: 8 })) };
        },
        captionPictures: async ({ piece, context }) => {
          said(`piece ${piece} by ${context.captioner?.repo}`);
          return { piece, pictures: 8 };
        },
        assembleDataset: async () => {
          said('dataset');
          return preparedDataset;
        },
      },
      `captions-${isSet}`,
    );
    const captions = ['plan', 'piece 0 by some/captioner', 'piece 1 by some/captioner'];
    expect(done.slice(3).sort()).toEqual([...(isSet ? captions : []), 'dataset'].sort());
    expect(done.slice(0, 3)).toEqual(['shard', 'shard', 'shard']);
    expect(done.at(-1)).toBe('dataset');
  });

  it('says that captions wait for a GPU, and then how far they are and where', async () => {
    const workflowId = 'says-captions';
    const details = async (): Promise<string> => {
      const handle = environment.client.workflow.getHandle(workflowId);
      const told = await handle.query('__temporal_workflow_metadata');
      return (told as { currentDetails: string }).currentDetails;
    };
    const seen: string[] = [];
    const captioner = { type: 'model' as const, repo: RepoId.parse('some/captioner'), commit };
    await prepare(
      {
        openRun: async ({ config, workflowId: id }) => ({ ...contextOf(config, id), captioner }),
        planPreparation: async () => ({ done: null, work, shards }),
        prepareShard: async ({ shard }) => ({ shard, kept: 1, dropped: 0 }),
        planCaptions: async () => ({ pieces: [{ piece: 0, pictures: 8 }] }),
        captionPictures: async ({ piece }) => {
          seen.push(await details());
          const handle = environment.client.workflow.getHandle(workflowId);
          const { runId } = await handle.describe();
          const progress = {
            stage: 'captions',
            done: 4,
            total: 8,
            etaSeconds: null,
            metrics: {},
            lastCheckpoint: null,
          };
          const about = {
            runId,
            activity: 'captionPictures',
            branch: '',
            attempt: 1,
            worker: 'gpu@colab',
            at: 1,
          };
          await handle.signal('progress', { ...about, progress });
          seen.push(await details());
          return { piece, pictures: 8 };
        },
      },
      workflowId,
    );
    expect(seen[0]).toContain('waiting for a GPU that captions pictures');
    expect(seen[1]).toContain('captions: 4 of 8 on gpu@colab');
  });

  it('prepares nothing again when the dataset is there', async () => {
    const calls: string[] = [];
    const planned = { done: { ...preparedDataset, cached: true } };
    await prepare(
      {
        planPreparation: async () => planned,
        prepareShard: async ({ shard }) => {
          calls.push('prepareShard');
          return { shard, kept: 0, dropped: 0 };
        },
      },
      'cached',
    );
    expect(calls).toEqual([]);
  });

  it('refuses an input that cannot be used before anything is opened', async () => {
    await expect(
      withWorkers({ environment, workflowBundle, activities: activities() }, () =>
        environment.client.workflow.execute('prepare', {
          taskQueue: 'pipeline',
          workflowId: 'bad-input',
          args: [{ dataset: { styl: 'x' } }],
        }),
      ),
    ).rejects.toMatchObject({ cause: { message: expect.stringContaining('dataset.styl: unknown field') } });
  });
});
