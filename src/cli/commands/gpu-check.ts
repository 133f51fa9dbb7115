import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { execa } from 'execa';
import { processEnvironment, pythonPath } from '../../config/env.ts';
import { PYTHON_PACKAGE } from '../../config/paths.ts';
import { PipelineError } from '../../domain/errors.ts';
import { GpuCheck, gpuCheckPlan } from '../../domain/training/gpu-check.ts';
import { parseJson } from '../../hub/verified-json.ts';
import { trainerEnvironment } from '../../trainer/environment.ts';
import { createTrainer } from '../../trainer/process.ts';
import { action, type CommonOptions } from '../context.ts';
import { print, tell } from '../output.ts';

type Options = CommonOptions & { small: boolean; out?: string; profile?: string[] };

/** Files of a check, in its folder. */
export const GPU_CHECK = { folder: 'gpu-check', report: 'gpu-check.json', page: 'gpu-check.md' } as const;

/** Adds `gpu-check`: what FLUX.1-dev costs on this machine, with weights that are made up and no download. */
export function addGpuCheckCommand(program: Command): void {
  action<Options>(
    program
      .command('gpu-check')
      .description(
        'measures each profile on this machine with made-up weights: no download, no Hub, no server',
      )
      .option('--small', 'the tiny base instead of full size: the same code on a CPU', false)
      .option('--profile <name...>', 'only these profiles; default: all that fit')
      .option('--out <folder>', 'where report and page go; default: gpu-check in the data folder'),
    async ({ env, dataDir, json }, options) => {
      const out = resolve(options.out ?? join(dataDir, GPU_CHECK.folder));
      await mkdir(out, { recursive: true });
      const python = pythonPath(env);
      const trainer = createTrainer({ python, packageFolder: PYTHON_PACKAGE, log: () => undefined });
      const machine = await trainer.call('probe', {}).finally(() => trainer.close());
      const plan = gpuCheckPlan(machine, options.small, options.profile);
      await writeFile(join(out, 'plan.json'), `${JSON.stringify(plan, null, 1)}\n`);
      tell(`${machine.name}: ${Object.keys(plan.profiles).join(', ')}; report and page go to ${out}`);
      const args = ['-m', 'plein_air.gpu_check', '--out', out, '--plan', join(out, 'plan.json')];
      const { exitCode } = await execa(python, [...args, ...(options.small ? ['--small'] : [])], {
        env: trainerEnvironment(processEnvironment(), PYTHON_PACKAGE),
        ...{ extendEnv: false, reject: false, stdin: 'ignore', stdout: 'ignore', stderr: 'inherit' },
      });
      const report = join(out, GPU_CHECK.report);
      if (!existsSync(report))
        throw new PipelineError(
          'TrainerDied',
          `expected ${report} from the check, got none (exit code ${exitCode}): see its last words above`,
        );
      const found = parseJson(await readFile(report), GpuCheck, report);
      const page = await readFile(join(out, GPU_CHECK.page), 'utf8');
      print(json, found, () => page);
      const failed = Object.entries(found.profiles).filter(([, { error }]) => error !== null);
      if (failed.length > 0)
        throw new PipelineError(
          'Unhealthy',
          `expected every profile to go through, got ${failed.map(([name, { error }]) => `${name}: ${error}`).join('; ')}`,
        );
    },
  );
}
