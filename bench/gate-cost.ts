/**
 * What an evaluation takes beside the training, by profile and by the project's own model of speeds, in shares of the
 * training's arithmetic: `node scripts/ts.mjs bench/gate-cost.ts`. Each model's pictures once and once more for a second look.
 */
import { PROFILES } from '../src/domain/config/profiles.ts';
import { parseRunConfig } from '../src/domain/config/run-config.ts';
import { choicePictures, paritySamples, sampleSet } from '../src/domain/evaluation/sample-set.ts';
import { forwardTeraFlops } from '../src/domain/training/needs.ts';
import { loadOf, workOf } from '../src/domain/training/work.ts';

const FLUX = { num_layers: 19, num_single_layers: 38, attention_head_dim: 128, num_attention_heads: 24 };
const FACTS = { train: 400, heldOut: 40, unseen: 40, neighbors: 300, captions: 60, views: 4 };

console.log(
  '| profile | a picture | first release, base painted | first release | with production | and best | and a second look | pictures that 40 % pay for |\n|---|---|---|---|---|---|---|---|',
);
for (const profile of PROFILES.filter((name) => name !== 'tiny')) {
  const parsed = parseRunConfig({ profile });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  const config = parsed.value;
  const load = loadOf(FLUX, config, workOf(config, { ...FACTS, basePainted: false }));
  const training = load.training.halfTeraFlops;
  const picture = forwardTeraFlops(FLUX, config.evaluation.size) * config.evaluation.inferenceSteps;
  const set = sampleSet(config).length;
  const fixed = choicePictures(config) + paritySamples(config);
  const share = (pictures: number) => `${((pictures * picture * 100) / training).toFixed(0)} % (${pictures})`;
  console.log(
    `| ${[
      profile,
      `${((picture * 100) / training).toFixed(3)} %`,
      share(fixed + set),
      share(fixed + 2 * set),
      share(fixed + 3 * set),
      share(fixed + 4 * set),
      share(fixed + 8 * set),
      Math.floor((0.4 * training) / picture),
    ].join(' | ')} |`,
  );
}
