import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Training } from '../../src/domain/activities.ts';
import type { RepoRef } from '../../src/domain/refs.ts';
import type { Trainer } from '../../src/trainer/trainer.ts';
import { attempt, openStand, readJson, type Stand } from './training-stand.ts';

let stand: Stand;
let warm: Trainer;
let whole: Training;

beforeAll(async () => {
  stand = await openStand();
  warm = stand.newTrainer();
  whole = await attempt(stand, stand.request('whole'), { trainer: warm }).result;
}, 300_000);
afterAll(() => stand.close());

const checkpoints = (run: string): RepoRef => ({
  type: 'model',
  repo: stand.request(run).context.repos.checkpoints,
});

describe('an uninterrupted training', () => {
  it('ends at the last step with an adapter on the Hub and nothing repeated', async () => {
    expect(whole).toMatchObject({ outcome: 'done', step: 12, steps: 12, repeatedSteps: 0, preemptions: 0 });
    const files = await stand.hub.list(checkpoints('whole'), whole.checkpoint.commit);
    const paths = files.map(({ path }) => path);
    expect(paths).toContain(`${whole.path}/pytorch_lora_weights.safetensors`);
    expect(paths).toEqual(
      expect.arrayContaining(['fence.json', 'latest.json', 'ledger.json', 'metrics.jsonl']),
    );
  });
});
