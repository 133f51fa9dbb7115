import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { execa } from 'execa';
import { PROJECT } from '../../src/config/paths.ts';
import { preempt } from './preemptions.ts';

describe('a run that is preempted again and again', () => {
  it('keeps its history short and knows how often', async () => {
    const { events, status } = await preempt(40);
    // At most four events for each preemption, and what a run has anyway.
    expect(events).toBeLessThan(40 * 4 + 200);
    expect(status.training?.preemptions).toBe(40);
  }, 240_000);
});

describe('the short form of "npm run chaos"', () => {
  it('kills the servers and both kinds of worker at once, and every run ends right', async () => {
    const script = [join(PROJECT, 'scripts', 'ts.mjs'), join(PROJECT, 'test', 'chaos', 'chaos.ts')];
    const { all, exitCode } = await execa(
      process.execPath,
      [...script, '--times', '1', '--only', 'Temporal, Hub, both kinds'],
      { env: { NODE_OPTIONS: '' }, reject: false, timeout: 400_000, killSignal: 'SIGINT', all: true },
    );
    if (exitCode !== 0) process.stderr.write(`${all}\n`);
    expect(all).toMatch(/together \| 1 \| \d+ \| \d+ \| none \|/);
    expect(exitCode).toBe(0);
  }, 420_000);
});
