import type { SourceConfig } from '../domain/gpu-source/sources-file.ts';
import { type ColabGround, createColabSource } from './colab.ts';
import { createCommandSource } from './command.ts';
import { createJobsSource, type JobsGround } from './hf-jobs.ts';
import { createLocalSource, type LocalMachine } from './local.ts';
import type { GpuSource, SourceGround } from './source.ts';

/** What all kinds of sources together need. */
export interface FactoryGround extends JobsGround, ColabGround {
  local: Omit<LocalMachine, keyof SourceGround>;
}

/** The source of an entry in the operator's file. */
export function createSource(config: SourceConfig, ground: FactoryGround): GpuSource {
  switch (config.kind) {
    case 'local':
      return createLocalSource({
        ...ground,
        ...ground.local,
        environment: { ...ground.local.environment, ...config.environment },
      });
    case 'command':
      return createCommandSource(config, ground);
    case 'hf-jobs':
      return createJobsSource(config, ground);
    case 'colab':
      return createColabSource(config, ground);
  }
}
