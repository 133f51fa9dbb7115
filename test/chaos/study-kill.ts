/**
 * kill -9 of workers, Temporal and the Hub during a study that is also paused twice, against the same study undisturbed:
 * `npm run build && node scripts/ts.mjs test/chaos/study-kill.ts [trials] [kills] [seed] [strategy] [file for the history]`.
 */
import { killStudy } from './lib/kill-study.ts';

const [trials = '30', kills = '20', seed = '1', strategy = 'tpe', history] = process.argv.slice(2);
const report = await killStudy(
  {
    trials: Number(trials),
    kills: Number(kills),
    pauses: 2,
    seed: Number(seed),
    everyMs: [3000, 12_000],
    strategy,
    ...(history === undefined ? {} : { history }),
  },
  (line) => console.error(line),
);
const { calm, wild, warm, problems } = report;
console.log(
  JSON.stringify(
    {
      moves: wild.trace.moves.length,
      trainings: wild.trace.trainings.length,
      chosen: wild.trace.chosen,
      kills: wild.kills,
      pauses: wild.pauses,
      preemptedTrainings: wild.preemptions,
      stepsTrained: wild.steps,
      stepsRepeated: wild.repeatedSteps,
      mostStepsRepeatedAtOnce: wild.worstRepeat,
      events: wild.events,
      seconds: { undisturbed: Math.round(calm.seconds), disturbed: Math.round(wild.seconds) },
      warmStart: { trialsKnown: warm.earlier[0], moves: warm.moves.length },
      problems,
    },
    null,
    2,
  ),
);
if (problems.length > 0) process.exitCode = 1;
