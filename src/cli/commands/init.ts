import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { Command } from 'commander';
import { PROJECT } from '../../config/paths.ts';
import { PROFILES, type Profile } from '../../domain/config/profiles.ts';
import { PipelineError } from '../../domain/errors.ts';
import { PROJECT_FILE } from '../../runs/project-file.ts';
import { action, type CommonOptions } from '../context.ts';
import { print } from '../output.ts';
import { projectFileText } from '../project-file-text.ts';

/** Adds `init`: a commented plein-air.yaml for the runs of this folder, and the schema that editors check it by. */
export function addInitCommand(program: Command): void {
  action<CommonOptions & { profile?: string; style?: string; force: boolean }>(
    program
      .command('init')
      .description(`write a commented ${PROJECT_FILE} that run, start, tune and prepare read in this folder`)
      .option('--profile <profile>', `${PROFILES.join(', ')}; none: by the GPU that is there`)
      .option('--style <name>', 'what your pictures are called, such as "my garden"')
      .option('--force', 'write over a file that is there', false),
    async ({ dataDir, json }, { profile, style, force }) => {
      if (profile !== undefined && !PROFILES.includes(profile as Profile))
        throw new PipelineError(
          'InvalidInput',
          `--profile: expected ${PROFILES.join(', ')}, got "${profile}"`,
        );
      await mkdir(dataDir, { recursive: true });
      const schema = join(dataDir, 'plein-air.schema.json');
      await copyFile(join(PROJECT, 'docs', 'plein-air.schema.json'), schema);
      const text = projectFileText({
        profile: (profile as Profile | undefined) ?? null,
        style: style ?? null,
        schema: relative(process.cwd(), schema),
      });
      try {
        await writeFile(PROJECT_FILE, text, { flag: force ? 'w' : 'wx' });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
        throw new PipelineError(
          'InvalidInput',
          `${PROJECT_FILE} is there already and was left as it is: change it by hand, or write it anew with --force`,
        );
      }
      print(json, { file: PROJECT_FILE, schema }, () =>
        [
          `${PROJECT_FILE} written: every line in it that is switched off shows what holds without it`,
          'next: plein-air run NAME --from FOLDER',
        ].join('\n'),
      );
    },
  );
}
