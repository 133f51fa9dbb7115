/**
 * Every profile, whole, on this machine: `npm run profiles [-- --profile t4]`. Each of t4, l4, a100 and h100 with its own
 * settings (sizes and counts scaled to a CPU) and small models of the real classes under the real ids goes through every
 * phase on the embedded servers to a running Space, loses its machine once in training and once in evaluation, and must
 * end right. Two runs share two GPU workers: a lost machine is noticed after three minutes, in which the other one works.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { LOCAL_TOKEN } from '../../src/cli/stack/stack.ts';
import { seedGeneratedWikiArt } from '../../src/wikiart/synthetic/seed.ts';
import { Topology } from '../chaos/lib/topology.ts';
import { seedRealLayout } from './real-layout.ts';
import { REAL_PROFILES } from './scaled.ts';
import { type Outcome, wholeRun } from './whole-run.ts';

const { values } = parseArgs({
  options: {
    profile: { type: 'string', multiple: true },
    json: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
  },
});
const wanted = REAL_PROFILES.filter((profile) => values.profile?.includes(profile) ?? true);
const AT_ONCE = 2;
const began = performance.now();
const seconds = () => Math.round((performance.now() - began) / 1000);
const say = (line: string) => void process.stderr.write(`${String(seconds()).padStart(5)} s  ${line}\n`);

function table(outcomes: readonly Outcome[]): string {
  const rows = outcomes.map((one) => {
    const end = one.faults.length === 0 ? 'right' : one.faults.join('; ');
    const killed = `${one.kills.join(' and ')}; resumed from step ${one.resumedFrom.join(', ')}`;
    const ways = [one.profile, one.settings, killed, one.validationImages, one.sampled, one.judges];
    return `| ${[...ways, one.verdict, one.release, one.space, one.seconds, end].join(' | ')} |`;
  });
  return [
    '| profile | its own settings | killed in | validation images | checkpoints compared | judges | verdict | released | Space | seconds | ended |',
    '|---|---|---|---|---|---|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}

const root = await mkdtemp(join(tmpdir(), 'plein-air-profiles-'));
const topology = await Topology.start({
  ...{ root, gpuWorkers: AT_ONCE, pipelineWorkers: 1, stepMs: null, runSpaces: true },
});
for (const name of ['SIGINT', 'SIGTERM'] as const)
  process.once(name, () => void topology.stop().finally(() => process.exit(130)));
try {
  say('the stack is up');
  await seedRealLayout(topology.hub, join(root, 'repos'));
  await seedGeneratedWikiArt({
    hubUrl: `http://127.0.0.1:${topology.ports.hub}`,
    ...{ accessToken: LOCAL_TOKEN, repo: 'huggan/wikiart', workDir: root, images: 260 },
  });
  say('base, judges and paintings are on the Hub');
  const outcomes: Outcome[] = [];
  const left = [...wanted];
  const next = async (): Promise<void> => {
    for (let profile = left.shift(); profile !== undefined; profile = left.shift()) {
      const outcome = await wholeRun(topology, profile);
      outcomes.push(outcome);
      say(`${profile}: ${outcome.verdict}, ${outcome.seconds} s ${outcome.faults.join('; ')}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, next));
  outcomes.sort((a, b) => a.profile.localeCompare(b.profile));
  process.stdout.write(values.json ? `${JSON.stringify(outcomes, null, 1)}\n` : `${table(outcomes)}\n`);
  say('all ended');
  if (outcomes.some(({ faults }) => faults.length > 0)) process.exitCode = 1;
} finally {
  if (process.exitCode !== undefined && process.exitCode !== 0)
    for (const part of [...topology.names('gpu'), 'pipeline-1'])
      process.stderr.write(`--- ${part}\n${topology.log(part).split('\n').slice(-25).join('\n')}\n`);
  await topology.stop();
  if (!values.keep) await rm(root, { recursive: true, force: true });
}
