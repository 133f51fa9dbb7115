import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from '@jest/globals';
import { Command } from 'commander';
import { execa } from 'execa';
import { addAllCommands, COMMANDS } from '../../src/cli/commands/pipeline.ts';

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

describe('the list of commands', () => {
  it('says of each command what the command says of itself, and names every one', async () => {
    const all = new Command('plein-air');
    await addAllCommands(all);
    const own = new Map(all.commands.map((command) => [command.name(), command.description()]));
    expect(Object.fromEntries(COMMANDS.map(({ name, description }) => [name, description]))).toEqual(
      Object.fromEntries(own),
    );
  });

  it('is printed without loading a client of Temporal or the Hub', async () => {
    const loads = `import { register } from 'node:module'; register('data:text/javascript,' + encodeURIComponent(
      'export async function resolve(s, c, n) { if (/temporalio|huggingface|zod/.test(s)) throw new Error("loaded " + s); return n(s, c); }'));`;
    const { stdout, exitCode } = await execa(
      process.execPath,
      ['--import', `data:text/javascript,${encodeURIComponent(loads)}`, cli, '--help'],
      { env: { NODE_OPTIONS: '' }, reject: false },
    );
    expect([exitCode, stdout.includes('doctor')]).toEqual([0, true]);
  });

  it('is completed in a shell, options and commands of commands included', async () => {
    const { stdout } = await plainAir('completion', 'bash');
    const complete = async (...words: string[]) => {
      const script = `${stdout}\nCOMP_WORDS=(plein-air ${words.map((w) => `'${w}'`).join(' ')}); COMP_CWORD=${words.length}; _plein_air; echo "\${COMPREPLY[*]}"`;
      return (await execa('bash', ['-c', script])).stdout.split(' ');
    };
    expect(await complete('sta')).toEqual(['start', 'status']);
    expect(await complete('gpu', '')).toEqual(expect.arrayContaining(['list', 'open', 'close', 'reap']));
    expect(await complete('start', '--wa')).toEqual(['--watch']);
    expect((await plainAir('completion', 'tcsh')).exitCode).toBe(2);
  });
});

describe('plein-air config show', () => {
  it('shows what a profile comes to, and what differs from the defaults', async () => {
    const { stdout } = await plainAir(
      'config',
      'show',
      '--profile',
      'tiny',
      '--set',
      'training.steps=77',
      '--changed',
    );
    expect(stdout).toMatch(/\* +training\.steps +77/);
    expect(stdout).not.toContain('training.weightDecay ');
    const whole = JSON.parse((await plainAir('config', 'show', '--json')).stdout) as { profile: string };
    expect(whole).toMatchObject({ training: { rank: expect.any(Number) } });
  });

  it('names the field that was probably meant', async () => {
    const { stderr, exitCode } = await plainAir(
      ...['config', 'show', '--set', 'training.step=5', '--set', 'steps=5', '--set', 'datset.style=x'],
    );
    expect(stderr).toContain('training.step: unknown field; did you mean training.steps?');
    expect(stderr).toMatch(/^datset: unknown field; did you mean dataset\?/m);
    expect(exitCode).toBe(2);
  });
});
