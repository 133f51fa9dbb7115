import type { Command } from 'commander';

/** A command by its name: what `--help` says of it, and where it is. */
interface Entry {
  name: string;
  description: string;
  add(): Promise<(program: Command) => void>;
}

const ofRuns = async () => (await import('./run.ts')).addRunCommands;
const toLookAt = async () => (await import('./look-at.ts')).addLookAtCommands;
const toSteer = async () => (await import('./steer.ts')).addSteerCommands;

const toComplete = async () => {
  const { addCompletionCommand } = await import('./completion.ts');
  return (program: Command) => addCompletionCommand(program, addAllCommands);
};

/**
 * Every command, in the order in which people meet them. Only the one that is asked for is loaded: Temporal's and the Hub's
 * clients take longer to load than most commands to answer. A test holds the words to those of the commands themselves.
 */
export const COMMANDS: readonly Entry[] = [
  {
    name: 'demo',
    description: 'run the whole pipeline here, on real parts, and kill the GPU worker in the middle',
    add: async () => (await import('./demo.ts')).addDemoCommand,
  },
  {
    name: 'init',
    description: 'write a commented plein-air.yaml that run, start, tune and prepare read in this folder',
    add: async () => (await import('./init.ts')).addInitCommand,
  },
  {
    name: 'run',
    description:
      'run the pipeline on this machine, with the Hub of HF_TOKEN; resumes the run if it already exists',
    add: async () => (await import('./run-here.ts')).addRunHereCommand,
  },
  {
    name: 'up',
    description: 'start Temporal, the local Hub and the workers, and keep them until Ctrl+C',
    add: async () => (await import('./up.ts')).addUpCommand,
  },
  {
    name: 'studio',
    description: 'serve the page to see runs, look at their images and decide; prints a link to it',
    add: async () => (await import('./studio.ts')).addStudioCommand,
  },
  {
    name: 'start',
    description: 'start a fine-tuning run',
    add: ofRuns,
  },
  {
    name: 'tune',
    description: 'search hyperparameters without training to the end',
    add: ofRuns,
  },
  {
    name: 'status',
    description: 'show runs',
    add: ofRuns,
  },
  {
    name: 'watch',
    description: 'follow a run live',
    add: ofRuns,
  },
  {
    name: 'logs',
    description: 'what has happened in a run, event by event, with its errors',
    add: toLookAt,
  },
  {
    name: 'open',
    description: 'where a run can be looked at: Temporal’s page, report, records, release',
    add: toLookAt,
  },
  {
    name: 'cancel',
    description: 'save a checkpoint and end a run; "plein-air resume" continues from there',
    add: ofRuns,
  },
  {
    name: 'prepare',
    description: 'prepare and analyze a dataset without training; cached by its settings',
    add: async () => (await import('./prepare.ts')).addPrepareCommand,
  },
  {
    name: 'approve',
    description: 'approve a candidate that waits for a person',
    add: toSteer,
  },
  {
    name: 'reject',
    description: 'reject a candidate that waits for a person',
    add: toSteer,
  },
  {
    name: 'pause',
    description: 'save a checkpoint and pause a run',
    add: toSteer,
  },
  {
    name: 'resume',
    description: 'continue a paused run, or an ended one from what the Hub holds',
    add: toSteer,
  },
  {
    name: 'rollback',
    description: 'put an earlier release back into production',
    add: toSteer,
  },
  {
    name: 'reevaluate',
    description: 'sample and judge the model in production again',
    add: toSteer,
  },
  {
    name: 'delete',
    description: 'remove the repositories and the history of a run that has ended',
    add: async () => (await import('./delete.ts')).addDeleteCommand,
  },
  {
    name: 'config',
    description: 'what profile and settings come to: the whole configuration of a run',
    add: async () => (await import('./config.ts')).addConfigCommand,
  },
  {
    name: 'report',
    description:
      'build a run’s report and cards again from stored records; exit code 5 if other bytes come out',
    add: async () => (await import('./report.ts')).addReportCommand,
  },
  {
    name: 'models',
    description: 'releases: list, show, compare, and where they come from',
    add: async () => (await import('./models.ts')).addModelsCommand,
  },
  {
    name: 'download',
    description: 'get the LoRA of a model or of a run as .safetensors files',
    add: async () => (await import('./download.ts')).addDownloadCommand,
  },
  {
    name: 'rate',
    description: 'make a page of blind pairs to rate, or put votes on the record',
    add: async () => (await import('./rate.ts')).addRateCommand,
  },
  {
    name: 'gpu',
    description: 'GPU sessions that the fleet has opened: list, open, close, reap',
    add: async () => (await import('./gpu.ts')).addGpuCommands,
  },
  {
    name: 'schedule',
    description: 'nightly re-evaluation of what is in production',
    add: async () => (await import('./schedule.ts')).addScheduleCommands,
  },
  {
    name: 'doctor',
    description: 'check everything that a run needs, and say how to mend it',
    add: async () => (await import('./doctor.ts')).addDoctorCommand,
  },
  {
    name: 'completion',
    description: 'print a script that completes commands and options: source <(plein-air completion bash)',
    add: toComplete,
  },
  {
    name: 'replay',
    description: 'before an upgrade: replay the histories of a server on this version’s workflow code',
    add: async () => (await import('./replay.ts')).addReplayCommand,
  },
  {
    name: 'gpu-check',
    description: 'measures each profile on this machine with made-up weights: no download, no Hub, no server',
    add: async () => (await import('./gpu-check.ts')).addGpuCheckCommand,
  },
  {
    name: 'codec',
    description: 'encrypted payloads: keys, and a server for the Temporal UI',
    add: async () => (await import('./codec.ts')).addCodecCommands,
  },
  {
    name: 'hub',
    description: 'the embedded Hub: the real Hub’s HTTP API over a folder',
    add: async () => (await import('./hub.ts')).addHubCommands,
  },
];

/** Adds what was asked for: the command with all that came with it, or for a list of commands their names. */
export async function addCommands(program: Command, asked: readonly string[]): Promise<void> {
  const [first, second] = asked;
  const name = first === 'help' ? second : first;
  const entry = COMMANDS.find((one) => one.name === name);
  if (entry !== undefined) return (await entry.add())(program);
  for (const { name: known, description } of COMMANDS) program.command(known).description(description);
}

/** Adds every command whole, for what reads them all. */
export async function addAllCommands(program: Command): Promise<void> {
  for (const add of new Set(COMMANDS.map((entry) => entry.add))) (await add())(program);
}
