import { z } from 'zod';
import { MODEL_ROLES } from './config/evaluation-models.ts';
import { TrainingConfig } from './config/run-config.ts';
import { VariantKind } from './config/variants.ts';
import { Dimension, Trial, TrialParameters } from './tuning/search-space.ts';
import { StudyInsight } from './tuning/study.ts';
import { Confirmation } from './tuning/top-k.ts';

/**
 * The trainer's protocol: one JSON object a line. Requests go to its stdin, events come from its stdout, logs from its
 * stderr. Every path is local to the GPU worker; the trainer knows no token and no network.
 */

const Path = z.string().min(1);
const Sha = z.string().regex(/^[0-9a-f]{64}$/);

/** A schema's fields as they are once their defaults are filled in. */
type Filled<S extends z.ZodRawShape> = {
  [K in keyof S]: S[K] extends z.ZodDefault<infer T extends z.ZodType> ? T : S[K];
};
function filled<S extends z.ZodRawShape>(shape: S): Filled<S> {
  const entries = Object.entries(shape).map(([name, field]) => [
    name,
    field instanceof z.ZodDefault ? field.unwrap() : field,
  ]);
  return Object.fromEntries(entries) as Filled<S>;
}

const { keepCheckpoints: _, ...settings } = TrainingConfig.unwrap().shape;

/** The part of the training configuration that the trainer needs, defaults filled in, and what comes from other parts. */
export const TrainerTraining = z.strictObject({
  ...filled(settings),
  seed: z.int(),
  /** Steps over which the schedule runs: the same as `steps`, except in a trial that stops early. */
  scheduleSteps: z.int(),
  resolution: z.int(),
});
export type TrainerTraining = z.infer<typeof TrainerTraining>;

/** How the frozen base is held in memory; names as in `TrainingConfig`. */
const { precision, quantization, offloadBlocks } = TrainerTraining.shape;
const Holding = { precision, quantization, offloadBlocks };

export const ProbeParams = z.strictObject({});
export const ProbeResult = z.strictObject({
  device: z.enum(['cpu', 'cuda']),
  name: z.string(),
  vramBytes: z.int().nullable(),
  ramBytes: z.int(),
  cpuCapability: z.string(),
  threads: z.int(),
  /** Processes that train together, each with an accelerator of its own. */
  processes: z.int().min(1).default(1),
  /** Versions of python, torch, diffusers, transformers, peft, safetensors. */
  versions: z.record(z.string(), z.string()),
});

/** Encodes the views and captions that a training's steps will look at; entries that exist and verify are kept. */
export const EncodeParams = z.strictObject({
  base: Path,
  /** Folder of a prepared dataset: `data/train-*.parquet`, `data/held_out-*.parquet`, … */
  dataset: Path,
  out: Path,
  /** Of the training that is to follow: it decides which views are drawn, and the type that latents are kept in. */
  training: TrainerTraining,
  /** As in `TrainParams`. */
  stopAtStep: z.int().nullable(),
});
export const EncodeResult = z.strictObject({
  /** Views of pictures (mirrored or not, one of three crops) and captions that the training looks at. */
  views: z.int(),
  captions: z.int(),
  /** Of both, those that were in the cache. */
  reused: z.int(),
  /** Bytes of the packs written. */
  bytes: z.int(),
});

/** Describes pictures with a model that sees; the same pictures in the same order give the same words. */
export const CaptionParams = z.strictObject({
  /** Folder of the captioning model, and where it comes from, for error messages. */
  model: Path,
  repo: z.string(),
  commit: z.string(),
  pictures: z.array(z.strictObject({ id: z.string(), path: Path })).min(1),
  /** What a model that chats is asked; a BLIP takes no question. */
  prompt: z.string().min(1),
  maxTokens: z.int().min(1),
  batchSize: z.int().min(1),
});
/** Captions as the model wrote them, in the order of the pictures; one may be empty. */
export const CaptionResult = z.strictObject({
  kind: z.enum(['blip', 'chat']),
  captions: z.array(z.strictObject({ id: z.string(), text: z.string() })),
});

export const TrainParams = z.strictObject({
  base: Path,
  /** Content ids that go into the fingerprint: base commit and dataset commit. */
  baseCommit: z.string(),
  datasetCommit: z.string(),
  dataset: Path,
  /** Folder that `encode` filled. */
  cache: Path,
  /** Checkpoints are written here as `step-00000100/`, each one whole or not there. */
  out: Path,
  /** Folder of a verified checkpoint to go on from; null: start. */
  resumeFrom: Path.nullable(),
  /** Fingerprint fields whose difference is accepted. */
  acceptDifferences: z.array(z.string()),
  /** Stop (checkpoint, then result) at this step at the latest; null: at `training.steps`. */
  stopAtStep: z.int().nullable(),
  training: TrainerTraining,
  /** How validation images are generated. */
  sampling: z.strictObject({ size: z.int(), inferenceSteps: z.int(), guidance: z.number() }),
});
export const TrainResult = z.strictObject({
  /** `done`: the last step is reached; `stopped`: asked to stop, checkpoint written; `early`: early stopping ended it. */
  outcome: z.enum(['done', 'stopped', 'early']),
  step: z.int(),
  microStep: z.int(),
  checkpoint: Path,
  /** sha256 of the checkpoint's `pytorch_lora_weights.safetensors`. */
  adapterSha256: Sha,
  heldOutLoss: z.number().nullable(),
  trainLoss: z.number().nullable(),
  /** Fingerprint fields that differed at some resume of this training and were accepted. */
  acceptedDifferences: z.array(z.string()),
});

/** One picture of the standard sample set. */
export const SampleRequest = z.strictObject({
  /** File name without its ending, unique in the set, such as `landscape-01-s0`. */
  id: z.string().regex(/^[a-z0-9][a-z0-9_-]*$/),
  prompt: z.string(),
  seed: z.int(),
});
export type SampleRequest = z.infer<typeof SampleRequest>;

export const SampleParams = z.strictObject({
  base: Path,
  /** LoRA file in diffusers' format; null: the base alone. */
  adapter: Path.nullable(),
  adapterScale: z.number(),
  samples: z.array(SampleRequest).min(1),
  size: z.int(),
  inferenceSteps: z.int(),
  guidance: z.number(),
  ...Holding,
  /** Gets `<id>.png` each and `manifest.json` last; pictures that are there and verify are kept. */
  out: Path,
});
export const SampleResult = z.strictObject({
  images: z.int(),
  reused: z.int(),
  /** sha256 of `manifest.json`. */
  manifestSha256: Sha,
});

export const EvaluateParams = z.strictObject({
  base: Path,
  adapter: Path,
  dataset: Path,
  /** Folders that `sample` filled. */
  baseSamples: Path,
  candidateSamples: Path,
  /** Releases that the candidate is compared with; `prompts` are those that they were asked, sample by sample. */
  rivals: z.array(
    z.strictObject({
      name: z.enum(['production', 'best']),
      tag: z.string(),
      adapterSha256: Sha,
      samples: Path,
      prompts: z.array(z.string()),
    }),
  ),
  /** A few of the pictures painted again: from the exported file loaded anew, and in the precision that is served. */
  parity: z
    .strictObject({
      reload: Path,
      /** Null: served as it was judged, or not checked. */
      deployed: Path.nullable(),
      deployedPrecision: z.string(),
      /** Compute type and weights of the base are served as they were judged: there is nothing to compare. */
      servedAsJudged: z.boolean(),
      /** Why it could not be painted as it is served; the gate's rule on it is INCONCLUSIVE. */
      unchecked: z.string().nullable(),
    })
    .nullable(),
  encoder: z.enum(['efficientnet-lite0', 'dinov2-base']),
  /** Models behind further metrics, each in a folder of its own. */
  models: z.array(
    z.strictObject({ role: z.enum(MODEL_ROLES), repo: z.string(), commit: z.string(), path: Path }),
  ),
  /**
   * Split of unseen paintings to measure against, the only one of both that is opened: `held_out` for choices, `test` for
   * the gate, so that nothing was chosen by what the gate judges by.
   */
  reference: z.enum(['held_out', 'test']),
  /** Which prompt and genre each sample id belongs to, for clustering. */
  samples: z.array(
    z.strictObject({
      id: z.string(),
      prompt: z.string(),
      promptId: z.string(),
      genre: z.string(),
      /** The prompt without the trigger. */
      text: z.string(),
      /** Genre, as the dataset's paintings have them, that the picture should be of; null: none that can be told. */
      asks: z.string().nullable(),
      trigger: z.boolean(),
      sealed: z.boolean(),
    }),
  ),
  /** Of the evaluated checkpoint; null: not measured. */
  heldOutLoss: z.number().nullable(),
  confidence: z.number(),
  seed: z.int(),
  /** `report.json` and the closest pairs' pictures are written here. */
  out: Path,
});
/** The report itself is `domain/evaluation-report.ts`, in `out/report.json`. */
export const EvaluateResult = z.strictObject({ report: Path, sha256: Sha });

/** What the header of an exported file says for people and model browsers. */
export const ExportAbout = z.strictObject({
  title: z.string(),
  trigger: z.string(),
  author: z.string(),
  license: z.string(),
  /** Repository and commit of the base. */
  base: z.string(),
  /** Side in pixels of the images it was trained at. */
  resolution: z.int(),
  /** Day of the export, as 2026-11-30. */
  date: z.string(),
});
export type ExportAbout = z.infer<typeof ExportAbout>;

export const ExportParams = z.strictObject({
  /** A checkpoint folder. */
  checkpoint: Path,
  out: Path,
  formats: z.array(z.enum(['diffusers', 'kohya'])).min(1),
  about: ExportAbout,
  /** `zero-lora` writes an adapter without effect, to show that the gate refuses it. */
  sabotage: z.enum(['none', 'zero-lora']),
});
export const ExportResult = z.strictObject({
  files: z.array(
    z.strictObject({ format: z.enum(['diffusers', 'kohya']), path: Path, sha256: Sha, bytes: z.int() }),
  ),
});

/** Whole transformers of base and adapter; a folder each in `out`, named after its kind. */
export const FuseParams = z.strictObject({
  base: Path,
  /** LoRA file in diffusers' format. */
  adapter: Path,
  kinds: z.array(VariantKind).min(1),
  /** Compute type of the quantized ones; the plain one keeps the base's own types. */
  precision: Holding.precision,
  out: Path,
});
export const FuseResult = z.strictObject({
  variants: z.array(
    z.strictObject({
      kind: VariantKind,
      folder: Path,
      /** Names in the folder. */
      files: z.array(z.strictObject({ path: Path, sha256: Sha, bytes: z.int() })),
    }),
  ),
});

const StudyOptions = z.record(z.string(), z.number().nullable());

/** The next move of a study; the answer depends on these fields alone. */
export const SuggestParams = z.strictObject({
  strategy: z.string(),
  strategyOptions: StudyOptions,
  pruner: z.string(),
  prunerOptions: StudyOptions,
  /** Steps of a whole trial. */
  steps: z.int().min(1),
  space: z.record(z.string(), Dimension),
  /** Known-good values of all dimensions: always trial 0. */
  defaults: TrialParameters,
  /** Trials to try right after trial 0. */
  enqueue: z.array(TrialParameters),
  /** Of an earlier study, as far as its values compare. */
  earlier: z.array(Trial),
  trials: z.array(Trial),
  /** Whether a new trial may be started; trials that wait may go on in any case. */
  mayStart: z.boolean(),
  goals: z.int().min(1),
  seed: z.int(),
});
export const SuggestResult = z.strictObject({
  next: z.enum(['trial', 'promote', 'wait', 'stop']),
  number: z.int().nullable(),
  parameters: TrialParameters.nullable(),
  toStep: z.int().nullable(),
  reason: z.string(),
});

/** What a finished study's figures say beyond its best trial. */
export const AssessParams = z.strictObject({
  space: z.record(z.string(), Dimension),
  defaults: TrialParameters,
  trials: z.array(Trial),
  chosen: z.int(),
  confirmations: z.array(Confirmation),
});
export const AssessResult = StudyInsight;

/** Parameters and result of every verb. */
export const VERBS = {
  probe: { params: ProbeParams, result: ProbeResult },
  encode: { params: EncodeParams, result: EncodeResult },
  caption: { params: CaptionParams, result: CaptionResult },
  train: { params: TrainParams, result: TrainResult },
  sample: { params: SampleParams, result: SampleResult },
  evaluate: { params: EvaluateParams, result: EvaluateResult },
  export: { params: ExportParams, result: ExportResult },
  fuse: { params: FuseParams, result: FuseResult },
  suggest: { params: SuggestParams, result: SuggestResult },
  assess: { params: AssessParams, result: AssessResult },
} as const;
export type Verb = keyof typeof VERBS;
export type VerbParams<V extends Verb> = z.infer<(typeof VERBS)[V]['params']>;
export type VerbResult<V extends Verb> = z.infer<(typeof VERBS)[V]['result']>;

/**
 * A request line. `checkpoint` asks the running `train` to write one at the next micro-step and go on; `stop` asks it to
 * write one and end; neither is answered itself. `shutdown` ends the process after the current request. End of stdin is `shutdown`; SIGTERM is `stop`, then `shutdown`.
 */
export const TrainerRequest = z.discriminatedUnion('verb', [
  z.strictObject({ id: z.string(), verb: z.literal('checkpoint') }),
  z.strictObject({ id: z.string(), verb: z.literal('stop') }),
  z.strictObject({ id: z.string(), verb: z.literal('shutdown') }),
  ...(
    [
      'probe',
      'encode',
      'caption',
      'train',
      'sample',
      'evaluate',
      'export',
      'fuse',
      'suggest',
      'assess',
    ] as const
  ).map((verb) => z.strictObject({ id: z.string(), verb: z.literal(verb), params: VERBS[verb].params })),
]);
export type TrainerRequest = z.infer<typeof TrainerRequest>;

/** What the trainer may say about a request, by the request's id. */
export const TrainerEvent = z.discriminatedUnion('event', [
  /** The process is up and reads requests; the first line it writes, before torch is imported. */
  z.strictObject({ event: z.literal('ready'), protocol: z.literal(1), pid: z.int() }),
  /** Progress of any verb: `done` of `total` units; for `train` the units are steps. */
  z.strictObject({
    event: z.literal('progress'),
    id: z.string(),
    stage: z.string(),
    done: z.int(),
    total: z.int(),
    etaSeconds: z.number().nullable(),
  }),
  /** Figures of one training step: loss, heldOutLoss, learningRate, gradientNorm, imagesPerSecond, vramBytes, … */
  z.strictObject({
    event: z.literal('metric'),
    id: z.string(),
    step: z.int(),
    values: z.record(z.string(), z.number()),
  }),
  /** A checkpoint folder is complete, fsynced and renamed. */
  z.strictObject({
    event: z.literal('checkpoint'),
    id: z.string(),
    step: z.int(),
    microStep: z.int(),
    path: Path,
    /** sha256 of the folder's manifest.json. */
    manifestSha256: Sha,
    bytes: z.int(),
    heldOutLoss: z.number().nullable(),
  }),
  /** Validation images are written. */
  z.strictObject({ event: z.literal('sample'), id: z.string(), step: z.int(), path: Path, sha256: Sha }),
  z.strictObject({ event: z.literal('result'), id: z.string(), result: z.unknown() }),
  /** The request failed; the process lives on unless it says otherwise. */
  z.strictObject({
    event: z.literal('error'),
    id: z.string(),
    kind: z.enum(['InvalidInput', 'BadData', 'Diverged', 'OutOfMemory', 'Corrupt', 'Internal']),
    message: z.string(),
    details: z.record(z.string(), z.unknown()),
  }),
]);
export type TrainerEvent = z.infer<typeof TrainerEvent>;
