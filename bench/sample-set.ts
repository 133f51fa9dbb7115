/** A profile's standard samples, training and gate as JSON: `node scripts/ts.mjs bench/sample-set.ts [profile] [looks]`. */

import { parseRunConfig } from '../src/domain/config/run-config.ts';
import { gateRules } from '../src/domain/evaluation/gate-rules.ts';
import { lookConfidence } from '../src/domain/evaluation/ledger.ts';
import { sampleSet } from '../src/domain/evaluation/sample-set.ts';
import { trainerTraining } from '../src/domain/training/trainer-training.ts';

const [profile = 'tiny', looks = '1'] = process.argv.slice(2);
const parsed = parseRunConfig({ profile });
if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
const { evaluation, gate } = parsed.value;
const training = trainerTraining(parsed.value, {});
const out = {
  evaluation,
  training: training.ok ? training.value : null,
  gate: {
    confidence: gate.confidence,
    looks: gate.looks,
    lookConfidence: lookConfidence(gate),
    rules: gateRules(parsed.value),
  },
  samples: sampleSet(parsed.value, Number(looks)),
};
process.stdout.write(`${JSON.stringify(out)}\n`);
