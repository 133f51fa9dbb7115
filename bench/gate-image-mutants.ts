/**
 * Spoiled pictures of a good model through the real verb `evaluate` and the real `decide`, a table kind -> rules that
 * caught it: `node scripts/ts.mjs bench/gate-image-mutants.ts BASE CANDIDATE DATASET OUT [--second FOLDER] [--only NAME …]`.
 * BASE and CANDIDATE are sample folders of the tiny profile's set, as a run leaves them in `evaluation/base` and
 * `evaluation/candidate` of its record repository; DATASET is the prepared dataset. A small set of one's own has another
 * `--trigger`, and no paintings but those `--reference held_out`. Exit code 1 where a mutant passed or a
 * good model did not. What has a report in OUT already is judged and not measured again.
 */
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { execa } from 'execa';
import { pythonPath, readEnvironment } from '../src/config/env.ts';
import { PROJECT } from '../src/config/paths.ts';
import { parseRunConfig } from '../src/domain/config/run-config.ts';
import { decide } from '../src/domain/evaluation/gate.ts';
import { gateReference, gateRules } from '../src/domain/evaluation/gate-rules.ts';
import { lookConfidence } from '../src/domain/evaluation/ledger.ts';
import { EvaluationReport } from '../src/domain/evaluation/report.ts';
import { sampleSet } from '../src/domain/evaluation/sample-set.ts';
import { sha256Of } from '../src/hub/hashing.ts';

const GOOD = ['the-good-model', 'a-perfect-painter'];
const asked = parseArgs({
  allowPositionals: true,
  options: {
    second: { type: 'string' },
    only: { type: 'string', multiple: true },
    trigger: { type: 'string' },
    reference: { type: 'string', default: 'test' },
  },
});
const [base = '', candidate = '', dataset = '', out = ''] = asked.positionals;
const { trigger, reference } = asked.values;
const parsed = parseRunConfig({
  profile: 'tiny',
  dataset: {
    ...(trigger === undefined ? {} : { trigger }),
    ...(reference === 'test' ? {} : { testFraction: 0 }),
  },
});
if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
const config = parsed.value;
const confidence = lookConfidence(config.gate);
// Nothing was painted a second time: the rules on that are for `bench/gate-mutants.ts`.
const rules = gateRules(config).filter(({ metric }) => !metric.startsWith('parity.'));

await mkdir(out, { recursive: true });
const set = join(out, 'set.json');
const gate = { lookConfidence: confidence };
await writeFile(set, JSON.stringify({ evaluation: config.evaluation, gate, samples: sampleSet(config) }));
const names = asked.values.only ?? [];
const second = asked.values.second === undefined ? [] : ['--second', asked.values.second];
const args = [
  base,
  candidate,
  dataset,
  set,
  out,
  ...second,
  ...['--reference', reference],
  ...(names.length > 0 ? ['--only', ...names] : []),
];
if (!existsSync(join(out, 'done')))
  await execa(pythonPath(readEnvironment()), [join(PROJECT, 'bench', 'gate_image_mutants.py'), ...args], {
    stdio: 'inherit',
  });

let wrong = 0;
const rows: string[] = [];
for (const entry of (await readdir(out, { withFileTypes: true })).filter((one) => one.isDirectory())) {
  const bytes = await readFile(join(out, entry.name, 'report.json')).catch(() => null);
  if (bytes === null) continue;
  const report = EvaluationReport.parse(JSON.parse(bytes.toString()));
  const rivals = (report.comparisons ?? []).map(({ name, tag, adapterSha256 }) => ({
    name,
    tag,
    adapterSha256,
  }));
  const { samples, adapterSha256 } = report;
  const verdict = decide({
    ...{ report, rules, confidence },
    expected: {
      ...{ reportSha256: sha256Of(bytes), adapterSha256, sampleSetSha256: samples.setSha256 },
      ...{
        samples: samples.count,
        encoder: config.evaluation.encoder,
        reference: gateReference(config),
        rivals,
      },
      looks: config.gate.looks,
    },
  });
  const right = (verdict.verdict === 'PASS') === GOOD.includes(entry.name);
  if (!right) wrong += 1;
  const bad = verdict.rules.filter(({ outcome }) => outcome !== 'pass');
  const failed = bad.filter(({ outcome }) => outcome === 'fail');
  const told = (failed.length > 0 ? failed : bad).map(
    ({ sentence }) => sentence.split(';')[0]?.split(' over ')[0],
  );
  rows.push(
    `| ${right ? '' : '**WRONG** '}${entry.name.replaceAll('-', ' ')} | ${verdict.verdict} | ${told.slice(0, 4).join('; ')}${told.length > 4 ? `; and ${told.length - 4} more` : ''} |`,
  );
}
console.log(
  `| pictures | verdict | by |\n|---|---|---|\n${rows.join('\n')}\n\n${rows.length} kinds, ${wrong} went wrong`,
);
process.exit(wrong === 0 ? 0 : 1);
