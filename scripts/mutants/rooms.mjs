/**
 * Rooms whose faults would hurt most, with the tests that stand nearest to each: those that need neither a trainer nor a
 * Temporal server, so that thousands of mutants can be tried. `runner`: Stryker for TypeScript, our own for Python.
 */
export const ROOMS = {
  domain: { runner: 'stryker', mutate: ['src/domain/**/*.ts'], tests: ['test/domain'] },
  gate: {
    runner: 'stryker',
    mutate: [
      'src/domain/evaluation/*.ts',
      'src/domain/config/gate-config.ts',
      '!src/domain/evaluation/prompts-*.ts',
    ],
    tests: ['test/domain/evaluation', 'test/domain/config'],
  },
  release: {
    runner: 'stryker',
    mutate: [
      'src/activities/release/{deploy,roll-back,open-release,variants}.ts',
      'src/releases/*.ts',
      'src/domain/release/*.ts',
    ],
    tests: ['test/releases', 'test/activities/release', 'test/domain/release'],
  },
  checkpoints: {
    runner: 'stryker',
    mutate: [
      'src/activities/train/{branch,fence,publisher,budget,checkpoint-commit,checkpoint-timer,squash}.ts',
      'src/domain/training/*.ts',
    ],
    tests: ['test/domain/training', 'test/activities/train', '!test/activities/train/train.test.ts'],
  },
  hub: {
    runner: 'stryker',
    mutate: ['src/local-hub/store/*.ts', 'src/local-hub/http/{access,tokens,origin,gating}.ts'],
    tests: ['test/local-hub/{store,promises,power-cut,slow-clients,untrusted-text}.test.ts'],
  },
  trainer: { runner: 'python', mutate: ['training'], tests: [] },
  figures: { runner: 'python', mutate: ['evaluation'], tests: [] },
};
