import { z } from 'zod';
import { unmeasured } from '../evaluation/metrics.ts';
import { RepoId, RunName } from '../refs.ts';
import type { TrialParameters } from '../tuning/search-space.ts';
import { isPlainLine } from '../visible-text.ts';
import { CaptionerConfig } from './captioner.ts';
import { EvaluationModels } from './evaluation-models.ts';
import { GateConfig } from './gate-config.ts';
import { PROFILES, profileDefaults } from './profiles.ts';
import { fieldsOf, similarField } from './similar-field.ts';
import { SourceColumns } from './source-columns.ts';
import { TuningConfig } from './tuning-config.ts';
import { VariantKind } from './variants.ts';

export { TuningConfig };

const Slug = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/, 'expected lower-case letters, digits and inner hyphens');
/** A name or phrase that goes into captions, cards and terminals as it is. */
const PlainLine = z.string().refine(isPlainLine, 'expected one line without control characters');
const Fraction = z.number().min(0).max(1);
const Side = z.int().min(64).max(2048).multipleOf(16);

/** The base model that the adapter is trained on. */
export const BaseConfig = z
  .strictObject({
    /** Model repository in diffusers' layout. */
    repo: RepoId.default(RepoId.parse('black-forest-labs/FLUX.1-dev')),
    /** Branch, tag or commit; resolved to a commit once and recorded. */
    revision: z.string().min(1).default('main'),
  })
  .prefault({});
export type BaseConfig = z.infer<typeof BaseConfig>;

/** Which pictures are wanted and how they are cleaned, split and captioned. */
export const DatasetConfig = z
  .strictObject({
    /** Dataset repository of pictures; `dataset.columns` says what its columns are called. */
    source: RepoId.default(RepoId.parse('huggan/wikiart')),
    /** Branch, tag or commit; resolved to a commit once and recorded. */
    revision: z.string().min(1).default('main'),
    /** Columns of the source. */
    columns: SourceColumns,
    /** Dataset repository that other styles are taken from, as reference for the style margin; null: the source itself. */
    reference: RepoId.nullable().default(null),
    /** Style label wanted, by name; case, spaces and underscores do not matter. */
    style: PlainLine.min(1).default('Impressionism'),
    /** Genres wanted, by name; empty: all. */
    genres: z.array(PlainLine.min(1)).default([]),
    /** Artists wanted, by name; empty: all. */
    artists: z.array(PlainLine.min(1)).default([]),
    /** Words that call the style up, put at the end of every caption. */
    trigger: PlainLine.min(1).max(80).default('plnr impressionism'),
    /** Captions that the source brings: kept as they are, cleaned of words of style and medium, or passed over for the captioner's. */
    captions: z.enum(['own', 'described', 'model']).default('own'),
    /** Model that describes each picture on a GPU worker, in place of words for its genre; null: none. */
    captioner: CaptionerConfig.nullable().default(null),
    /** Side of the square training area in pixels: buckets have about resolution² pixels. */
    resolution: Side.default(768),
    /** Pictures with a shorter side below this are dropped, in pixels. */
    minShortSide: z.int().min(16).max(4096).default(512),
    /** Pictures longer than this many times their short side are dropped. */
    maxAspectRatio: z.number().min(1).max(10).default(2.5),
    /** Mean chroma (CIELAB) below which a picture counts as grayscale. */
    minChroma: z.number().min(0).max(50).default(4),
    /** Deviation of color (CIELAB) from a single tone below which a picture counts as a toned photograph. */
    minColorSpread: z.number().min(0).max(50).default(2.5),
    /** Letters on one line above which a picture counts as written upon (caption, stamp, address); null: any number. */
    maxLetters: z.int().min(1).nullable().default(6),
    /** Pictures of which a window of one is at most this many bits (64 bit dHash) from the other may be copies. */
    nearDuplicateBits: z.int().min(0).max(16).default(12),
    /** Most pictures kept of one artist. */
    maxPerArtist: z.int().min(1).default(400),
    /** Most pictures kept in all; null: no limit. Chosen by hash, not by order. */
    maxImages: z.int().min(8).nullable().default(null),
    /** Part of the pictures held out from training, for the held-out loss and the metrics. */
    heldOutFraction: Fraction.default(0.1),
    /** Part of the pictures sealed away: no phase before the gate reads them. */
    testFraction: Fraction.default(0.1),
    /** Pictures of each neighboring style kept as reference for the style margin. */
    neighborsPerStyle: z.int().min(0).default(40),
    /** How prepared pictures are stored: lossless, or JPEG of quality 95 without chroma subsampling at a third of the size. */
    encoding: z.enum(['png', 'jpeg']).default('png'),
    /** Stores what lies beyond the bucket along a picture's longer side, so that training can crop at random. */
    randomCrop: z.boolean().default(true),
    /** Fewest training pictures with which the run may start. */
    minTrainingImages: z.int().min(1).default(100),
  })
  .refine((d) => d.heldOutFraction + d.testFraction <= 0.5, {
    message: 'expected heldOutFraction + testFraction to be at most 0.5, or too little is left to train on',
    path: ['heldOutFraction'],
  })
  .prefault({});
export type DatasetConfig = z.infer<typeof DatasetConfig>;

/** How the LoRA is trained. */
export const TrainingConfig = z
  .strictObject({
    /** Optimizer updates. */
    steps: z.int().min(1).max(100_000).default(2000),
    /** Pictures per micro-step. */
    batchSize: z.int().min(1).max(64).default(1),
    /** Micro-steps per step. */
    accumulation: z.int().min(1).max(64).default(4),
    /** Peak learning rate of the LoRA weights; 1e-4 is the usual start for a style on FLUX.1-dev. */
    learningRate: z.number().gt(0).max(1).default(1e-4),
    /** Course of the learning rate after the warm-up, over all steps. */
    schedule: z.enum(['constant', 'cosine', 'linear', 'inverse-sqrt', 'rex']).default('cosine'),
    /** Steps over which the learning rate rises from zero. */
    warmupSteps: z.int().min(0).default(50),
    /** Rank of the LoRA matrices. */
    rank: z.int().min(1).max(256).default(16),
    /** LoRA scale: the update is weighted by alpha / rank. */
    alpha: z.number().gt(0).max(512).default(16),
    /** LoRA target preset: attention only, attention and feed-forward, every linear layer. */
    targets: z.enum(['attention', 'attention+feed-forward', 'all-linear']).default('attention+feed-forward'),
    /** AdamW with fp32 moments; AdamW with 8 bit moments (bitsandbytes); Prodigy, which finds its own rate. */
    optimizer: z.enum(['adamw', 'adamw-8bit', 'prodigy']).default('adamw'),
    /** Decoupled weight decay. */
    weightDecay: z.number().min(0).max(1).default(1e-2),
    /** Largest L2 norm of a gradient; 0: no clipping. */
    gradientClip: z.number().min(0).default(1),
    /** Part of the micro-steps' samples whose caption is left out. */
    captionDropout: Fraction.default(0.05),
    /** Part of the samples mirrored, where the picture allows it. */
    flip: Fraction.default(0.5),
    /** How noise levels are drawn; shifted for the resolution in both cases. */
    timesteps: z.enum(['logit-normal', 'uniform']).default('logit-normal'),
    /** Guidance value that FLUX.1-dev's embedding is given in training. */
    guidance: z.number().min(0).max(10).default(1),
    /** Compute type of the frozen base; LoRA weights and moments are always fp32. */
    precision: z.enum(['fp32', 'bf16', 'fp16']).default('bf16'),
    /** How the frozen base's weights are held: as they are, in NF4 (bitsandbytes), in int8 or in fp8 (torchao). */
    quantization: z.enum(['none', 'nf4', 'int8', 'fp8']).default('none'),
    /** Blocks of the base that stay in host memory and are brought to the accelerator when their turn comes. */
    offloadBlocks: z.int().min(0).max(1000).default(0),
    /** Computes each block's forward pass again in the backward pass instead of keeping its activations. */
    gradientCheckpointing: z.boolean().default(true),
    /** Attention kernel; `auto` leaves the choice to PyTorch. */
    attention: z.enum(['auto', 'flash', 'memory-efficient', 'cudnn', 'math']).default('auto'),
    /** Compiles the base's blocks: faster steps after a slow first one. */
    compile: z.boolean().default(false),
    /** Decay of the exponential moving average of the LoRA; 0: none. */
    ema: z.number().min(0).max(0.99999).default(0),
    /** Most steps between checkpoints; `checkpoints` has one taken earlier by the clock, and so has a stop. */
    checkpointEvery: z.int().min(1).default(100),
    /** Newest checkpoints kept on the Hub, besides the best one and those of `checkpoints.keepEvery`. */
    keepCheckpoints: z.int().min(2).max(100).default(3),
    /** Steps between measurements of the held-out loss. */
    heldOutEvery: z.int().min(1).default(100),
    /** Steps between validation images; 0: none. */
    sampleEvery: z.int().min(0).default(200),
    /** Validation steps in a row with a risen held-out loss and risen copying after which training ends; 0: never. */
    earlyStopping: z.int().min(0).max(1000).default(0),
  })
  .superRefine((t, ctx) => {
    const refuse = (field: string, message: string) =>
      ctx.addIssue({ code: 'custom', path: [field], message });
    if (t.optimizer === 'prodigy' && t.learningRate < 0.01)
      refuse(
        'learningRate',
        `expected 0.01 to 1 with optimizer prodigy, where it is a factor on the rate that Prodigy finds (usually 1), got ${t.learningRate}`,
      );
    if (t.earlyStopping > 0 && (t.sampleEvery === 0 || t.sampleEvery % t.heldOutEvery !== 0))
      refuse(
        'sampleEvery',
        `expected a multiple of training.heldOutEvery (${t.heldOutEvery}) with earlyStopping, which compares both, got ${t.sampleEvery}`,
      );
  })
  .prefault({});
export type TrainingConfig = z.infer<typeof TrainingConfig>;

/** How the standard sample set is made and measured. */
export const EvaluationConfig = z
  .strictObject({
    /** Version of the prompt set in `domain/sample-set.ts`. */
    promptSet: z.enum(['standard-v1', 'standard-v2', 'tiny-v1', 'tiny-v2']).default('standard-v2'),
    /** Paired seeds per prompt, the same for every model compared. */
    seedsPerPrompt: z.int().min(1).max(32).default(4),
    /** Side of the square samples in pixels. */
    size: Side.default(768),
    /** Euler steps per sample. */
    inferenceSteps: z.int().min(1).max(100).default(28),
    /** Guidance given to the model when it samples. */
    guidance: z.number().min(0).max(20).default(3.5),
    /** Feature encoder of the set metrics. */
    encoder: z.enum(['efficientnet-lite0', 'dinov2-base']).default('dinov2-base'),
    /** Models behind the metrics; what stays null is left out of report and rules, openly. */
    models: EvaluationModels,
    /** Compute type in which the released adapter is served: a few pictures are painted in it, too, and compared. */
    deployedPrecision: z.enum(['fp32', 'bf16', 'fp16']).default('bf16'),
    /** Checkpoints near the least held-out loss that are sampled to choose one; 1: the last one is taken unseen. */
    checkpoints: z.int().min(1).max(5).default(3),
  })
  .prefault({});
export type EvaluationConfig = z.infer<typeof EvaluationConfig>;

/** Where a release goes. */
export const DeploymentConfig = z
  .strictObject({
    /** Publish a Space that serves the release. */
    space: z.boolean().default(true),
    /** Whether release and Space are private on the Hub. */
    private: z.boolean().default(true),
    /** Name of the person who accepts the base model's license: for a public Space, and for any release on a license that this version does not know. */
    licenseSignOff: z.string().min(1).nullable().default(null),
    /** Whether the Space keeps back images that its filter takes for unsafe: where the base's license asks for it, always, never. */
    contentFilter: z.enum(['as-licensed', 'on', 'off']).default('as-licensed'),
    /** What the Space runs on: two CPU cores, or ZeroGPU, which lends a GPU for the length of a call. */
    hardware: z.enum(['cpu-basic', 'zero-a10g']).default('zero-a10g'),
    /** Minutes that a Space may take to come up before what was there is put back. */
    startMinutes: z.number().gt(0).max(120).default(20),
    /** Seconds that the running Space may take for one request, base and painted picture together. */
    paintSeconds: z.number().gt(0).max(3600).default(180),
    /** Whole transformers released beside the adapter, for serving without it: `fused`, and that one in `int8` or `nf4`. */
    variants: z
      .array(VariantKind)
      .refine((kinds) => new Set(kinds).size === kinds.length, 'expected each kind of variant once')
      .default([]),
  })
  .refine((d) => d.private || !d.space || d.licenseSignOff !== null, {
    message:
      'expected the name of the person who accepts the base license for a public Space, got none: set deployment.licenseSignOff or deployment.private',
    path: ['licenseSignOff'],
  })
  .prefault({});
export type DeploymentConfig = z.infer<typeof DeploymentConfig>;

/** What a run may use up; preemptions cost nothing else. */
export const BudgetConfig = z
  .strictObject({
    /** Hours on a GPU, over all attempts; the run ends with what is saved when they are used up. */
    gpuHours: z.number().gt(0).max(10_000).default(24),
    /** Hours a phase on the GPU queue may take in all, waiting included. */
    wallClockHours: z.number().gt(0).max(10_000).default(168),
    /** Attempts in a row that may end without a new checkpoint or, where nothing is trained, die without coming further. */
    attemptsWithoutProgress: z.int().min(1).max(1000).default(10),
    /** Gigabytes (10⁹ bytes) that the run's checkpoints may take up on the Hub, dropped ones not yet freed included. */
    storageGb: z.number().gt(0).max(100_000).default(50),
    /** Money that GPU sources may spend on the run, in their currency; null: what the operator's file allows. */
    money: z.number().min(0).max(1_000_000).nullable().default(null),
    /** What an hour on a GPU costs, for the run report; null: costs are told in hours only. */
    gpuHourPrice: z.number().min(0).max(10_000).nullable().default(null),
    /** Currency of that price. */
    currency: z
      .string()
      .regex(/^[A-Z]{3}$/, 'expected a currency code such as "EUR"')
      .default('USD'),
  })
  .prefault({});
export type BudgetConfig = z.infer<typeof BudgetConfig>;

/** How training survives machines that vanish; nothing here changes the trained bytes, so all of it may change on resume. */
export const CheckpointConfig = z
  .strictObject({
    /** Least seconds between two checkpoints on the Hub: it takes about 128 commits an hour. */
    minSeconds: z.number().min(0).max(3600).default(60),
    /** Most seconds of training that one lost machine may cost, the upload of the next checkpoint included. */
    maxSeconds: z.number().gt(0).max(86_400).default(180),
    /** Steps between checkpoints that are kept to the end of the run; null: only the newest and the best are kept. */
    keepEvery: z.int().min(1).nullable().default(500),
    /** Checkpoints between two squashes of the history, which give the storage of dropped ones back. */
    squashEvery: z.int().min(1).max(1000).default(20),
    /** Minutes that training goes on while the Hub takes no checkpoint; then it stops, with what is saved. */
    unsavedMinutes: z.number().gt(0).max(10_000).default(120),
    /** Fingerprint fields, such as `software.torch`, whose difference is accepted when training goes on elsewhere. */
    acceptDifferences: z.array(z.string().min(1)).default([]),
  })
  .refine((c) => c.minSeconds <= c.maxSeconds, {
    message: 'expected minSeconds to be at most maxSeconds',
    path: ['minSeconds'],
  })
  .prefault({});
export type CheckpointConfig = z.infer<typeof CheckpointConfig>;

/** Faults planted on purpose, to show that the gate refuses. */
export const Sabotage = z.enum(['none', 'zero-lora']);
export type Sabotage = z.infer<typeof Sabotage>;

/** A whole run, every default filled in: what `fineTune` works from. */
export const RunConfig = z
  .strictObject({
    /** Name of the run; null: taken from the workflow id. */
    run: RunName.nullable().default(null),
    /** Named set of defaults that the fields below override. */
    profile: z.enum(PROFILES).default('tiny'),
    /** Name of the model that is released, and of its repository. */
    model: Slug.default('impressionist'),
    /** Hub user or organization that owns every repository of the run; null: the token's owner. */
    namespace: z
      .string()
      .regex(/^[A-Za-z0-9][\w.-]{0,95}$/, 'expected a Hub user or organization')
      .nullable()
      .default(null),
    /** Seed of everything random: split, order, noise, samples. */
    seed: z
      .int()
      .min(0)
      .max(2 ** 31 - 1)
      .default(0),
    base: BaseConfig,
    dataset: DatasetConfig,
    training: TrainingConfig,
    tuning: TuningConfig,
    evaluation: EvaluationConfig,
    gate: GateConfig,
    deployment: DeploymentConfig,
    budget: BudgetConfig,
    checkpoints: CheckpointConfig,
    /** Only GPU workers of this session serve the run (`PLEIN_AIR_GPU_SESSION`); null: any. */
    gpuSession: Slug.nullable().default(null),
    /** Who goes first where runs wait for the same GPUs: 1 before 5. Within a priority, models take turns. */
    priority: z.int().min(1).max(5).default(3),
    /** A fault planted on purpose, to show that the gate refuses it. */
    sabotage: Sabotage.default('none'),
  })
  .superRefine((c, ctx) => {
    if (c.training.warmupSteps >= c.training.steps)
      ctx.addIssue({
        code: 'custom',
        path: ['training', 'warmupSteps'],
        message: `expected fewer warm-up steps than training.steps (${c.training.steps}), got ${c.training.warmupSteps}`,
      });
    if (c.tuning.strategy !== 'fixed' && c.tuning.steps > c.training.steps)
      ctx.addIssue({
        code: 'custom',
        path: ['tuning', 'steps'],
        message: `expected at most training.steps (${c.training.steps}) for a trial, got ${c.tuning.steps}`,
      });
    const { encoder, models } = c.evaluation;
    if (encoder === 'dinov2-base' && models.features === null)
      ctx.addIssue({
        code: 'custom',
        path: ['evaluation', 'models', 'features'],
        message:
          'expected a DINOv2 such as "facebook/dinov2-base" with evaluation.encoder dinov2-base, got null',
      });
    const { strategy, objective } = c.tuning;
    if (strategy !== 'fixed' && objective.minAdherence !== null && models.clip === null)
      ctx.addIssue({
        code: 'custom',
        path: ['evaluation', 'models', 'clip'],
        message:
          'expected a CLIP such as "openai/clip-vit-large-patch14" with tuning.objective.minAdherence, which it measures, got null',
      });
    for (const [number, rule] of (c.gate.rules ?? []).entries()) {
      const message = unmeasured(rule, models);
      if (message !== null)
        ctx.addIssue({ code: 'custom', path: ['gate', 'rules', number, 'metric'], message });
    }
    for (const [number, parameters] of c.tuning.enqueue.entries())
      for (const { field, problem } of trialProblems(c, parameters))
        ctx.addIssue({
          code: 'custom',
          path: ['tuning', 'enqueue', number, field],
          message: problem,
        });
  });
export type RunConfig = z.infer<typeof RunConfig>;

/** Why a trial of a person's own cannot be trained: fields that are not searched, or values that training refuses. */
function trialProblems(
  { tuning, training }: { tuning: TuningConfig; training: TrainingConfig },
  parameters: TrialParameters,
): FieldProblem[] {
  const strangers = Object.keys(parameters)
    .filter((field) => !Object.hasOwn(tuning.space, field))
    .map((field) => ({
      field,
      problem: `expected a field of tuning.space (${Object.keys(tuning.space).join(', ')}), got ${field}`,
    }));
  const parsed = parseFields(TrainingConfig, { ...training, ...parameters });
  return [...strangers, ...(parsed.ok ? [] : parsed.problems)];
}

/** What people may send: any part of a run configuration. */
export type FineTuneInput = z.input<typeof RunConfig>;

/** One field that cannot be used, as shown to people. */
export interface FieldProblem {
  field: string;
  problem: string;
}

export type Parsed<T> = { ok: true; value: T } | { ok: false; problems: FieldProblem[] };

/** Fields that the schema had for a while and that never did anything: histories recorded then hold their defaults. */
const RETIRED: Record<string, unknown> = { captionerRevision: 'main' };

/** An input without retired fields at their defaults; at any other value they are unknown fields like all others. */
function withoutRetired(input: unknown): unknown {
  if (!isPlainObject(input) || !isPlainObject(input.dataset)) return input;
  const dataset = Object.entries(input.dataset).filter(
    ([name, value]) => !(Object.hasOwn(RETIRED, name) && RETIRED[name] === value),
  );
  return { ...input, dataset: Object.fromEntries(dataset) };
}

/** Largest input of a run, in characters of JSON: it travels with every activity, and three of them fit a payload. */
export const MAX_INPUT = 65_536;

/** Fills a partial input from its profile and the defaults, or names every offending field. */
export function parseRunConfig(input: unknown): Parsed<RunConfig> {
  const size = JSON.stringify(input ?? {}).length;
  if (size > MAX_INPUT)
    return {
      ok: false,
      problems: [
        { field: '(input)', problem: `expected at most ${MAX_INPUT} characters of JSON, got ${size}` },
      ],
    };
  const parsed = parseFields(
    RunConfig,
    mergeDeep(withoutReplaced(profileDefaults(input), input), withoutRetired(input ?? {})),
  );
  return parsed.ok ? parsed : { ok: false, problems: parsed.problems.map(withSuggestion) };
}

/** Of an unknown field, the one that was probably meant. */
function withSuggestion({ field, problem }: FieldProblem): FieldProblem {
  if (!problem.startsWith(UNKNOWN)) return { field, problem };
  const meant = similarField(field, fieldsOf(RunConfig.parse(profileDefaults({}))));
  return meant === null ? { field, problem } : { field, problem: `${UNKNOWN}; did you mean ${meant}?` };
}

const UNKNOWN = 'unknown field';

/** A search space is taken as a whole: a profile's dimensions do not mix with those that were asked for. */
function withoutReplaced(defaults: Record<string, unknown>, input: unknown): Record<string, unknown> {
  if (!isPlainObject(input) || !isPlainObject(input.tuning) || input.tuning.space === undefined)
    return defaults;
  return isPlainObject(defaults.tuning)
    ? { ...defaults, tuning: { ...defaults.tuning, space: undefined } }
    : defaults;
}

/** Parses with any schema into the value or the list of offending fields, all at once. */
export function parseFields<S extends z.ZodType>(schema: S, input: unknown): Parsed<z.output<S>> {
  const parsed = schema.safeParse(input, { reportInput: true });
  if (parsed.success) return { ok: true, value: parsed.data };
  return { ok: false, problems: parsed.error.issues.flatMap(describeIssue) };
}

function describeIssue(issue: z.core.$ZodIssue): FieldProblem[] {
  const at = issue.path.map(String).join('.');
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({
      field: at === '' ? key : `${at}.${key}`,
      problem: `${UNKNOWN}: check its spelling in docs/configuration.md`,
    }));
  // Zod says what it received by type; the value itself says more.
  const message = issue.message.replace(/^Invalid input: (expected .*), received .*$/, '$1');
  const got =
    issue.input === undefined || message.includes(', got ') ? '' : `, got ${JSON.stringify(issue.input)}`;
  return [{ field: at === '' ? '(input)' : at, problem: `${message}${got}` }];
}

/** One message that lists every offending field, the same words in the CLI and in a failed workflow. */
export function describeProblems(problems: FieldProblem[]): string {
  return problems.map((p) => `${p.field}: ${p.problem}`).join('\n');
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `over` laid over `under`, object by object; arrays and scalars replace. */
export function mergeDeep(under: unknown, over: unknown): unknown {
  if (!isPlainObject(under) || !isPlainObject(over)) return over;
  const merged: Record<string, unknown> = { ...under };
  for (const [key, value] of Object.entries(over)) {
    const laid = Object.hasOwn(merged, key) ? mergeDeep(merged[key], value) : value;
    // Assigned, `__proto__` would change what the object is instead of being refused as a field.
    Object.defineProperty(merged, key, { value: laid, enumerable: true, writable: true, configurable: true });
  }
  return merged;
}
