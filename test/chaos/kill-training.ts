/**
 * SIGKILL at random moments of real trainings: `node scripts/ts.mjs test/chaos/kill-training.ts --kills 60 --in-a-row 50`.
 * Needs a build (`npm run setup`). Ends with 1 when a byte differs, a state cannot be gone on from, or too much is repeated.
 */
import { parseArgs } from 'node:util';
import { seeded } from '../local-hub/random.ts';
import { Fleet } from './lib/fleet.ts';
import { type Kill, type KilledRun, killAgainAndAgain, MOMENTS, undisturbed } from './lib/killing.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '60' },
    'in-a-row': { type: 'string', default: '50' },
    'per-run': { type: 'string', default: '5' },
    steps: { type: 'string', default: '200' },
    'row-steps': { type: 'string', default: '1000' },
    interval: { type: 'string', default: '5' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
});
const wanted = Number(values.kills);
const interval = Number(values.interval);
const random = seeded(Number(values.seed));
const started = Date.now();
const say = (line: string) =>
  void process.stderr.write(`${((Date.now() - started) / 1000).toFixed(0).padStart(5)} s  ${line}\n`);

const settings = (steps: number) => ({
  training: { steps, checkpointEvery: 100_000, heldOutEvery: 200 },
  checkpoints: { maxSeconds: interval, squashEvery: 5 },
});
/** The first run is the long one, so that it lives to be killed so often. */
const stepsOf = (index: number) => Number(index === 0 ? values['row-steps'] : values.steps);
const fleet = await Fleet.open();
for (const name of ['SIGINT', 'SIGTERM'] as const)
  process.once(name, () => void fleet.close().finally(() => process.exit(130)));
try {
  say('stack is up, trainers are warm');
  const references = new Map<number, string>();
  for (const steps of new Set([stepsOf(0), stepsOf(1)])) {
    const { adapterSha256, gpuSeconds } = await undisturbed(
      fleet,
      fleet.request(`undisturbed-${steps}`, settings(steps)),
    );
    references.set(steps, adapterSha256);
    say(`undisturbed, ${steps} steps: ${adapterSha256.slice(0, 12)} after ${gpuSeconds.toFixed(1)} s`);
  }
  const runs: KilledRun[] = [];
  const total = () => runs.reduce((sum, { kills }) => sum + kills.length, 0);
  while (total() < wanted) {
    const quota = Math.min(
      wanted - total(),
      runs.length === 0 ? Number(values['in-a-row']) : Number(values['per-run']),
    );
    const run = `killed-${runs.length + 1}`;
    const onKill = (kill: Kill) => say(describe(kill));
    const killed = await killAgainAndAgain({
      ...{
        fleet,
        request: fleet.request(run, settings(stepsOf(runs.length))),
        quota,
        random,
        moments: MOMENTS,
        onKill,
      },
    });
    runs.push(killed);
    say(`${run}: ${killed.kills.length} kills, ${killed.result.adapterSha256.slice(0, 12)}`);
  }
  const problems = judge(references, runs);
  report(runs, problems);
  if (problems.length > 0) process.exitCode = 1;
} finally {
  await fleet.close();
}

function describe(kill: Kill): string {
  const where =
    kill.reached === null ? 'before training' : `at step ${kill.reached}, newest checkpoint ${kill.saved}`;
  return `${kill.run}: SIGKILL (${kill.moment}) ${where}, ${kill.repeatedSeconds.toFixed(1)} s to do again`;
}

function judge(references: ReadonlyMap<number, string>, runs: readonly KilledRun[]): string[] {
  const kills = runs.flatMap((run) => run.kills);
  return [
    ...runs
      .filter(({ result }) => result.adapterSha256 !== references.get(result.steps))
      .map(
        ({ run, result }) => `${run}: expected ${references.get(result.steps)}, got ${result.adapterSha256}`,
      ),
    ...runs
      .filter(({ failed }) => failed > 0)
      .map(({ run, failed }) => `${run}: ${failed} attempts failed by themselves`),
    ...kills.flatMap(({ run, unusable }) => unusable.map((why) => `${run}: unusable state: ${why}`)),
    ...kills
      .filter(({ repeatedSeconds }) => repeatedSeconds > interval)
      .map((kill) => `expected at most ${interval} s to do again, got: ${describe(kill)}`),
  ];
}

function report(runs: readonly KilledRun[], problems: readonly string[]): void {
  const kills = runs.flatMap((run) => run.kills);
  const rows = MOMENTS.map((moment) => {
    const own = kills.filter((kill) => kill.moment === moment);
    const most = (of: (kill: Kill) => number) => Math.max(0, ...own.map(of));
    return [
      moment,
      own.length,
      most((k) => k.repeatedSteps),
      most((k) => k.repeatedSeconds).toFixed(1),
      own.filter((k) => k.unusable.length > 0).length,
    ];
  });
  const lines = [
    '| moment | kills | most steps repeated | most seconds repeated | unusable states |',
    '|---|---|---|---|---|',
    ...rows.map((row) => `| ${row.join(' | ')} |`),
    '',
    '| run | kills | preemptions in its ledger | failed attempts | steps repeated | same bytes |',
    '|---|---|---|---|---|---|',
    ...runs.map(
      ({ run, kills: own, result, failed }) =>
        `| ${run} | ${own.length} | ${result.preemptions} | ${failed} | ${result.repeatedSteps} | ${problems.some((p) => p.startsWith(`${run}: expected`)) ? 'NO' : 'yes'} |`,
    ),
    '',
    `${kills.length} kills in ${runs.length} runs, interval ${interval} s, ${((Date.now() - started) / 1000).toFixed(0)} s; ${problems.length} problems`,
    ...problems,
  ];
  process.stdout.write(
    values.json ? `${JSON.stringify({ runs, problems }, null, 2)}\n` : `${lines.join('\n')}\n`,
  );
}
