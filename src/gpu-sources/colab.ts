import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Refusal } from '../domain/gpu-source/session.ts';
import type { SourceConfigOf } from '../domain/gpu-source/sources-file.ts';
import { lastWords, runCommand } from './run-command.ts';
import { type GpuSource, type SourceGround, SourceRefusal } from './source.ts';

/** Accelerators that `colab new --gpu` knows; any other silently becomes an A100, so it is never asked for. */
const ACCELERATORS = new Set(['T4', 'L4', 'G4', 'A100', 'H100']);
const NEW_SECONDS = 300;
const EXEC_SECONDS = 1800;
const SHORT_SECONDS = 60;

/** Google Colab through its own command line, for accounts with compute units. */
export function createColabSource(config: SourceConfigOf<'colab'>, ground: ColabGround): GpuSource {
  const colab = async (args: readonly string[], seconds: number, signal?: AbortSignal) => {
    const { PATH, HOME, LANG, XDG_CONFIG_HOME, GOOGLE_APPLICATION_CREDENTIALS } = ground.environment;
    const { exitCode, stdout, all } = await runCommand([...config.program, ...args], {
      env: { PATH, HOME, LANG, XDG_CONFIG_HOME, GOOGLE_APPLICATION_CREDENTIALS },
      ...{ seconds, signal },
    });
    return { ok: exitCode === 0, code: exitCode, out: stdout, all };
  };

  const list: GpuSource['list'] = async (signal) => {
    const { ok, code, out, all } = await colab(['sessions'], SHORT_SECONDS, signal);
    if (!ok) throw refusal(config.name, 'sessions', code, all);
    return sessionNames(out).filter((name) => name.startsWith(ground.prefix));
  };
  const close: GpuSource['close'] = async (name, signal) => {
    const { ok, code, all } = await colab(['stop', '-s', name], SHORT_SECONDS, signal);
    // It answers 0 for a session that is not there, and an error for one that the back end has pruned.
    if (!ok && (await list(signal)).includes(name)) throw refusal(config.name, 'stop', code, all);
  };

  return {
    list,
    close,
    async open({ name, accelerator, signal }) {
      if (!ACCELERATORS.has(accelerator))
        throw new SourceRefusal(
          'settings',
          `${config.name}: expected one of ${[...ACCELERATORS].join(', ')}, got ${accelerator}`,
        );
      if (!(await list(signal)).includes(name)) {
        const made = await colab(['new', '-s', name, '--gpu', accelerator], NEW_SECONDS, signal);
        if (!made.ok) throw refusal(config.name, 'new', made.code, made.all);
        const given = await hardwareOf(name, signal);
        if (given !== null && given.toUpperCase() !== accelerator) {
          await close(name, signal);
          throw new SourceRefusal(
            'no-capacity',
            `${config.name}: asked for ${accelerator}, got ${given}; closed`,
          );
        }
      }
      await startWorker(name, signal);
    },
  };

  /** What the machine really has; null: the command line does not say. */
  async function hardwareOf(name: string, signal?: AbortSignal): Promise<string | null> {
    const { out } = await colab(['status', '-s', name], SHORT_SECONDS, signal);
    return /Hardware: (\S+)/.exec(out)?.[1] ?? null;
  }

  /** Runs the bootstrap in the session: it starts the worker in the background and returns. Secrets travel in a file, never in arguments. */
  async function startWorker(name: string, signal?: AbortSignal): Promise<void> {
    const folder = await mkdtemp(join(tmpdir(), 'plein-air-colab-'));
    const script = join(folder, 'bootstrap.py');
    try {
      const variables = {
        ...ground.worker.variables,
        ...ground.worker.secrets,
        ...config.environment,
        PLEIN_AIR_IDENTITY: name,
      };
      await writeFile(script, bootstrapOf(await ground.readBootstrap(config.bootstrap), variables), {
        mode: 0o600,
      });
      const ran = await colab(['exec', '-s', name, '-f', script], EXEC_SECONDS, signal);
      if (!ran.ok) throw refusal(config.name, 'exec', ran.code, ran.all);
    } catch (error) {
      // A machine without a worker costs units and does nothing.
      await close(name).catch(() => undefined);
      throw error;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
}

/** What else the Colab source needs. */
export interface ColabGround extends SourceGround {
  /** Environment of this process, of which the program gets the few variables that it needs. */
  environment: NodeJS.ProcessEnv;
  /** Text of the bootstrap; undefined: the one that Plein Air ships. */
  readBootstrap(path: string | undefined): Promise<string>;
}

/** The bootstrap with the worker's variables before it. Text in JSON is text in Python. */
function bootstrapOf(text: string, variables: Record<string, string>): string {
  const lines = Object.entries(variables).map(
    ([key, value]) => `os.environ[${JSON.stringify(key)}] = ${JSON.stringify(value)}`,
  );
  return `import os\n${lines.join('\n')}\n${text}`;
}

/** Names in the answer of `colab sessions`; `[?]` marks one that the back end has and this machine's file does not know. */
export function sessionNames(text: string): string[] {
  const names: string[] = [];
  for (const line of text.split(/\r?\n/)) {
    const match = /^\s+(\S+) -> \S+/.exec(line) ?? /^\[([^\]?\s]+)\]\s/.exec(line);
    if (match?.[1] !== undefined && !/^\d+$/.test(match[1])) names.push(match[1]);
  }
  return [...new Set(names)];
}

function refusal(source: string, verb: string, code: number | undefined, text: string): SourceRefusal {
  const found = reasonOf(text);
  const advice: Partial<Record<Refusal, string>> = {
    quota: 'too many sessions are open: close one (colab sessions, colab stop)',
    'no-entitlement': 'the account has no right to this accelerator: buy compute units, or name another one',
    credentials: 'sign in again (colab login)',
    'no-capacity': 'none is free now',
  };
  const more = advice[found] === undefined ? '' : `; ${advice[found]}`;
  return new SourceRefusal(
    found,
    `${source}: colab ${verb} ended with ${code ?? 'no exit code'}: ${lastWords(text)}${more}`,
  );
}

function reasonOf(text: string): Refusal {
  if (/\b412\b|TooManyAssignments/i.test(text)) return 'quota';
  if (/\b401\b|\b403\b|credential|RefreshError|login/i.test(text)) return 'credentials';
  if (/\b400\b/.test(text)) return 'no-entitlement';
  if (/\b503\b|capacity|unavailable/i.test(text)) return 'no-capacity';
  return 'failed';
}
