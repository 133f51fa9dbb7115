/** Judges the reports of bench/gate_mutants.py by the default rules: `node scripts/ts.mjs bench/gate-mutants.ts set.json MODELS`. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decide, type Expected } from '../src/domain/gate.ts';
import type { GateRule } from '../src/domain/gate-config.ts';
import { Sha256 } from '../src/domain/refs.ts';
import { sampleSetText } from '../src/domain/sample-set.ts';

const [set = '', models = ''] = process.argv.slice(2);
const asked = JSON.parse(readFileSync(set, 'utf8'));
const samples = asked.samples.slice(0, 128);
const rules: GateRule[] = asked.gate.rules.filter((rule: GateRule) => !rule.metric.startsWith('parity.'));
const sha = (text: string | Buffer) => Sha256.parse(createHash('sha256').update(text).digest('hex'));
const read = (kind: string, file: string) => {
  try {
    return readFileSync(join(models, kind, file));
  } catch {
    return null;
  }
};

/** What the gate is told independently of the report, for the adapter of a kind. */
function expected(kind: string): Expected {
  const production = { name: 'production' as const, tag: 'v1', adapterSha256: sha('adapter of twin-2') };
  const settings = { ...asked.evaluation, precision: 'fp32', quantisation: 'none' };
  return {
    ...{
      reportSha256: sha(read(kind, 'report/report.json') ?? ''),
      adapterSha256: sha(`adapter of ${kind}`),
    },
    ...{ sampleSetSha256: sha(sampleSetText(samples, settings)), samples: samples.length },
    ...{ encoder: asked.evaluation.encoder, rivals: [production] },
  };
}

function judge(name: string, kind: string, about: Expected): void {
  const refused = read(kind, 'refused.txt');
  if (refused !== null) {
    console.log(`${name}: refused before judging: ${String(refused).slice(0, 140)}`);
    return;
  }
  const report = JSON.parse(String(read(kind, 'report/report.json')));
  const verdict = decide({ report, rules, confidence: asked.gate.lookConfidence, expected: about });
  const bad = verdict.rules.filter((rule) => rule.outcome !== 'pass').map((rule) => rule.sentence);
  const cmmd = report.metrics['cmmd.improvement'];
  const passes = cmmd !== undefined && cmmd.low > 0 ? 'yes' : 'no';
  console.log(`${name}: ${verdict.verdict} (better by CMMD: ${passes})`);
  for (const line of [...verdict.problems, ...bad]) console.log(`    ${line}`);
}

for (const kind of ['twin-1', 'step-200', 'step-150', 'step-100', 'step-50'])
  judge(kind, kind, expected(kind));
for (const kind of ['zero', 'nan', 'scale-3', 'copyist', 'collapse', 'swapped-base', 'wrong-trigger'])
  judge(`mutant ${kind}`, kind, expected(kind));
judge("another artefact's report", 'twin-1', {
  ...expected('twin-1'),
  adapterSha256: sha('adapter of zero'),
});
const newer = { name: 'production' as const, tag: 'v2', adapterSha256: sha('a newer release') };
judge('a stale report: another release is in production by now', 'twin-1', {
  ...expected('twin-1'),
  rivals: [newer],
});
