import type { SourceConfigOf } from '../domain/gpu-source/sources-file.ts';
import { type Ended, lastWords, runCommand } from './run-command.ts';
import { type GpuSource, type SourceGround, SourceRefusal } from './source.ts';

/** Exit code by which a command says "not now": `EX_TEMPFAIL` of sysexits. */
const NO_CAPACITY = 75;
const MAX_LINES = 10_000;

/** Three command lines of the operator's. They get what they need by environment variables, secrets included, never by arguments. */
export function createCommandSource(
  config: SourceConfigOf<'command'>,
  ground: SourceGround & { environment: NodeJS.ProcessEnv },
): GpuSource {
  const { PATH, HOME, LANG } = ground.environment;
  const run = (line: readonly string[], more: Record<string, string>, signal?: AbortSignal) =>
    runCommand(line, {
      env: {
        ...{ PATH, HOME, LANG },
        ...ground.worker.variables,
        ...ground.worker.secrets,
        ...config.environment,
        PLEIN_AIR_SESSION_PREFIX: ground.prefix,
        ...more,
      },
      seconds: config.timeoutSeconds,
      signal,
    });
  const list: GpuSource['list'] = async (signal) => {
    const result = await run(config.list, {}, signal);
    if (result.exitCode !== 0) throw failed('list', config, result);
    const names = result.stdout.split(/\r?\n/).map((line) => line.trim().split(/\s/)[0] ?? '');
    if (names.length > MAX_LINES)
      throw new SourceRefusal('failed', `${config.name}: list printed more than ${MAX_LINES} lines`);
    return [...new Set(names.filter((name) => name.startsWith(ground.prefix)))];
  };
  return {
    list,
    async open({ name, accelerator, hours, signal }) {
      if ((await list(signal)).includes(name)) return;
      const result = await run(
        config.open,
        {
          PLEIN_AIR_SESSION: name,
          PLEIN_AIR_IDENTITY: name,
          PLEIN_AIR_ACCELERATOR: accelerator,
          PLEIN_AIR_SESSION_HOURS: String(hours),
        },
        signal,
      );
      if (result.exitCode === NO_CAPACITY)
        throw new SourceRefusal(
          'no-capacity',
          `${config.name}: no ${accelerator} now: ${lastWords(result.all)}`,
        );
      if (result.exitCode !== 0) throw failed('open', config, result);
    },
    async close(name, signal) {
      const result = await run(config.close, { PLEIN_AIR_SESSION: name }, signal);
      if (result.exitCode !== 0 && (await list(signal)).includes(name)) throw failed('close', config, result);
    },
  };
}

function failed(verb: string, config: SourceConfigOf<'command'>, ended: Ended): SourceRefusal {
  const { timedOut, exitCode, all } = ended;
  const how = timedOut
    ? `took longer than ${config.timeoutSeconds} s`
    : exitCode === undefined
      ? 'could not be started, or was killed'
      : `ended with exit code ${exitCode}`;
  return new SourceRefusal(
    exitCode === undefined && !timedOut ? 'settings' : 'failed',
    `${config.name}: its ${verb} command ${how}: ${lastWords(all)}`,
  );
}
