import { planRunStorage } from '../../activities/train/storage-plan.ts';
import type { RunConfig } from '../../domain/config/run-config.ts';
import { PipelineError } from '../../domain/errors.ts';
import { RunName } from '../../domain/refs.ts';
import { forecastRun, type GpuForecast, impossibleBudget } from '../../domain/training/forecast.ts';
import { TransformerShape } from '../../domain/training/lora-size.ts';
import { trainingNeeds } from '../../domain/training/needs.ts';
import type { Hub } from '../../hub/hub.ts';
import { jsonOrNull } from '../../hub/verified-json.ts';

/** What a run would take, from shapes alone: off by a factor of two at times. */
export interface StartForecast {
  /** Pictures that it is reckoned for: how many a dataset keeps is known only once it is prepared. */
  pictures: number;
  vramGb: number;
  /** Most that checkpoints take up on the Hub. */
  storageGb: number;
  gpus: GpuForecast[];
  /** Why the budget cannot be met; null: it can. */
  problem: string | null;
}

/** Pictures assumed where the configuration sets no limit. */
const PICTURES = 1000;

/** Other styles of a source such as WikiArt. */
const STYLES = 26;

/** The forecast of a run that was not started; null: its base does not tell its shape. */
export async function forecastStart(hub: Hub, config: RunConfig): Promise<StartForecast | null> {
  const { base, training, dataset, budget } = config;
  const repo = { type: 'model', repo: base.repo } as const;
  const commit = await hub.resolve(repo, base.revision);
  if (commit === null)
    throw new PipelineError(
      'InvalidInput',
      `base.repo: expected a model repository with the revision "${base.revision}", got none: ${base.repo} on ${hub.endpoint}`,
    );
  const bytes = await hub.read(repo, commit, 'transformer/config.json');
  const shape = bytes === null ? undefined : TransformerShape.safeParse(jsonOrNull(bytes)).data;
  if (shape === undefined) return null;
  const pictures = dataset.maxImages ?? PICTURES;
  const { vramBytes } = trainingNeeds(shape, training, dataset.resolution);
  const share = (part: number) => Math.round(pictures * part);
  const facts = {
    ...{ train: pictures, captions: pictures, views: 2, basePainted: false },
    ...{ heldOut: share(dataset.heldOutFraction), unseen: share(dataset.testFraction) },
    neighbors: dataset.neighborsPerStyle * STYLES,
  };
  const gpus = forecastRun({ shape, config, vramBytes }, facts);
  const context = { run: config.run ?? RunName.parse('forecast'), config, base: { ...repo, commit } };
  const storage = await planRunStorage(hub, { context, training, steps: training.steps });
  return {
    ...{ pictures, vramGb: vramBytes / 1e9, storageGb: storage.bytes / 1e9, gpus },
    problem: impossibleBudget(gpus, budget),
  };
}
