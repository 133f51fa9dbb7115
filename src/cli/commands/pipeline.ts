import type { Command } from 'commander';
import { addCodecCommands } from './codec.ts';
import { addDemoCommand } from './demo.ts';
import { addDoctorCommand } from './doctor.ts';
import { addDownloadCommand } from './download.ts';
import { addGpuCommands } from './gpu.ts';
import { addGpuCheckCommand } from './gpu-check.ts';
import { addInitCommand } from './init.ts';
import { addModelsCommand } from './models.ts';
import { addPrepareCommand } from './prepare.ts';
import { addRateCommand } from './rate.ts';
import { addReplayCommand } from './replay.ts';
import { addReportCommand } from './report.ts';
import { addRunCommands } from './run.ts';
import { addRunHereCommand } from './run-here.ts';
import { addScheduleCommands } from './schedule.ts';
import { addSteerCommands } from './steer.ts';
import { addStudioCommand } from './studio.ts';
import { addUpCommand } from './up.ts';

/** Adds every command that has to do with runs, in the order in which people meet them. */
export function addPipelineCommands(program: Command): void {
  addDemoCommand(program);
  addInitCommand(program);
  addRunHereCommand(program);
  addUpCommand(program);
  addStudioCommand(program);
  addRunCommands(program);
  addPrepareCommand(program);
  addSteerCommands(program);
  addReportCommand(program);
  addModelsCommand(program);
  addDownloadCommand(program);
  addRateCommand(program);
  addGpuCommands(program);
  addScheduleCommands(program);
  addDoctorCommand(program);
  addReplayCommand(program);
  addGpuCheckCommand(program);
  addCodecCommands(program);
}
