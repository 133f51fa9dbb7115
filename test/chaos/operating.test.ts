import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { execa } from 'execa';
import { ROOT } from '../temporal/dev-server.ts';
import { preempt } from './preemptions.ts';

describe('a run that is preempted again and again', () => {
  it('keeps its history short and knows how often', async () => {
    const { events, status } = await preempt(40);
    // At most four events for each preemption, and what a run has anyway.
    expect(events).toBeLessThan(40 * 4 + 200);
    expect(status.training?.preemptions).toBe(40);
  }, 240_000);
});

const script = (name: string, ...args: string[]) =>
  execa(process.execPath, [join(ROOT, 'scripts', 'ts.mjs'), join(ROOT, 'test', 'chaos', name), ...args], {
    env: { NODE_OPTIONS: '' },
    reject: false,
    timeout: 400_000,
    killSignal: 'SIGINT',
    all: true,
  });

describe('what operating rests on', () => {
  it('holds: bad input, a killed GPU worker, a cancelled run, and every metric that dashboard and alerts use', async () => {
    const { all, exitCode } = await script('must-show.ts', '--generous');
    process.stderr.write(`${all}\n`);
    expect(all).toContain('that no worker serves: none');
    expect(exitCode).toBe(0);
  }, 420_000);
});

describe('the short form of "npm run chaos"', () => {
  it('kills both kinds of worker, the Hub and Temporal, and every run ends right', async () => {
    const only = 'kill -9 pipeline worker,kill -9 Temporal, Hub, both';
    const { all, exitCode } = await script('chaos.ts', '--times', '1', '--only', only);
    process.stderr.write(`${all}\n`);
    expect(all).toContain('| none |');
    expect(exitCode).toBe(0);
  }, 420_000);
});
