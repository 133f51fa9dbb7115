import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from '@jest/globals';
import { execa } from 'execa';

const cli = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const dataDir = mkdtempSync(join(tmpdir(), 'plein-air-cli-'));
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

/** No server listens on port 1 of loopback: what needs one must say so at once. */
const env = { TEMPORAL_ADDRESS: '127.0.0.1:1', HF_ENDPOINT: '', HF_TOKEN: '', PLEIN_AIR_DATA_DIR: dataDir };
const plainAir = (...args: string[]) =>
  execa(process.execPath, [cli, ...args], { env: { ...env, NODE_OPTIONS: '' }, reject: false, cwd: dataDir });

describe('plein-air', () => {
  it('lists its commands with --help', async () => {
    const { stdout, exitCode } = await plainAir('--help');
    for (const name of [
      'demo',
      'run',
      'up',
      'start',
      'status',
      'watch',
      'approve',
      'reject',
      'resume',
      'rollback',
      'schedule',
      'doctor',
      'hub',
    ])
      expect(stdout).toMatch(new RegExp(`^\\s+${name}\\b`, 'm'));
    expect(exitCode).toBe(0);
  });

  it('refuses a bad input before it looks for a server, with every offending field', async () => {
    const { stderr, exitCode } = await plainAir(
      'start',
      '--set',
      'training.rank=0',
      '--set',
      'trainning.steps=3',
    );
    expect(stderr).toContain('training.rank');
    expect(stderr).toContain('trainning: unknown field');
    expect(exitCode).toBe(2);
  });

  it('ends a mistake on the command line with the exit code of bad input', async () => {
    const [unknown, missing] = await Promise.all([
      plainAir('run', 'evening', '--run', 'other'),
      plainAir('approve', 'evening'),
    ]);
    expect(unknown.stderr).toContain("unknown option '--run'");
    expect(missing.stderr).toContain("required option '--reason <words>'");
    expect([unknown.exitCode, missing.exitCode]).toEqual([2, 2]);
  });

  it('runs alone only where no server is named, and under a name that the Hub takes', async () => {
    const beside = await plainAir('run', 'evening');
    expect(beside.stderr).toMatch(/TEMPORAL_ADDRESS=127\.0\.0\.1:1.*plein-air start/);
    expect(beside.exitCode).toBe(2);
    const { stderr, exitCode } = await execa(process.execPath, [cli, 'run', '../evening'], {
      env: { ...env, TEMPORAL_ADDRESS: '', NODE_OPTIONS: '' },
      reject: false,
      cwd: dataDir,
    });
    expect(stderr).toContain('run: ');
    expect(exitCode).toBe(2);
  });

  it('says what to do when there is no server', async () => {
    const { stderr, exitCode } = await plainAir('status');
    expect(stderr).toContain('127.0.0.1:1');
    expect(stderr).toContain('plein-air up');
    expect(exitCode).toBe(8);
  });

  it('reports errors as JSON where JSON is asked for', async () => {
    const { stdout } = await plainAir('start', '--json', '--input', '{"profile": "tpu"}');
    expect(JSON.parse(stdout).error).toMatchObject({
      kind: 'InvalidInput',
      message: expect.stringContaining('profile'),
    });
  });

  it.each([{}, { CI: '1' }])('prints no color codes when its output is not a terminal, %j', async (set) => {
    const { CI, FORCE_COLOR, NO_COLOR, ...inherited } = process.env;
    const { stderr } = await execa(process.execPath, [cli, 'start', '--input', 'not json'], {
      env: { ...inherited, ...env, NODE_OPTIONS: '', ...set },
      extendEnv: false,
      reject: false,
      cwd: dataDir,
    });
    expect(stderr).not.toContain('\u001b[');
    expect(stderr).toContain('--input: expected JSON');
  });
});
