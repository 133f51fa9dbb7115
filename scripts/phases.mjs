/** Tests of each phase of a run, and of what surrounds it: `npm test -- --phase train`, `npm run test:watch -- train`. */
export const PHASES = {
  prepare: {
    jest: [
      'test/activities/prepare',
      'test/domain/dataset',
      'test/images',
      'test/wikiart',
      'test/workflow/prepare',
    ],
    pytest: ['caption'],
  },
  analyze: { jest: ['test/activities/analyze', 'test/domain/dataset'], pytest: [] },
  tune: { jest: ['test/activities/tune', 'test/domain/tuning', 'test/workflow/tune'], pytest: ['tuning'] },
  train: {
    jest: ['test/activities/train', 'test/domain/training', 'test/trainer'],
    pytest: ['train', 'encod', 'quantized', 'ranks', 'every_combination'],
  },
  evaluate: {
    jest: ['test/activities/evaluate', 'test/domain/evaluation'],
    pytest: ['evaluation'],
  },
  release: {
    jest: ['test/activities/release', 'test/releases', 'test/domain/release', 'test/space'],
    pytest: ['export', 'fuse'],
  },
  document: { jest: ['test/activities/document', 'test/reports'], pytest: [] },
  run: {
    jest: ['test/activities/run', 'test/domain/run', 'test/workflow/', 'test/replay', 'test/temporal'],
    pytest: [],
  },
  hub: { jest: ['test/hub/', 'test/local-hub', 'test/hub-conformance'], pytest: [] },
};

/** What a runner is given for a phase, or for a path of the caller's own. */
export function testsOf(name) {
  const phase = PHASES[name];
  if (phase !== undefined)
    return { jest: phase.jest, pytest: phase.pytest.length === 0 ? null : ['-k', phase.pytest.join(' or ')] };
  if (/[/.]/.test(name)) return { jest: [name], pytest: null };
  throw new Error(`--phase: expected one of ${Object.keys(PHASES).join(', ')}, or a path, got ${name}`);
}
