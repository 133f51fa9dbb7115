import { stringify } from 'yaml';
import { defaultRules, gateRules } from '../../domain/evaluation/gate-rules.ts';
import { describeStanding, type Standing } from '../../domain/evaluation/ledger.ts';
import { loosened } from '../../domain/evaluation/loosened.ts';
import { noticeMarkdown } from '../../domain/release/license.ts';
import type { Provenance } from '../../domain/release/provenance.ts';
import { type ReleaseSample, titleOf } from '../../domain/release/title.ts';
import type { RunContext } from '../../domain/run/context.ts';
import { describeOutcome, releaseOutcome } from '../../domain/run/outcome.ts';
import { ADAPTER_FILE } from '../../domain/training/checkpoint.ts';
import type { GateRow } from '../records/run-records.ts';
import { code, escapeMarkdown, figure, markdownTable } from '../render/markdown.ts';
import { licenseFields } from './run-notices.ts';

/** What a model card is made from. */
export interface CardFacts {
  provenance: Provenance;
  gate: GateRow[];
  /** Where it stands among the candidates of its model; absent: judged before there was a ledger. */
  standing?: Standing;
  informative: GateRow[];
  samples: ReleaseSample[];
  /** Training pictures, held-out pictures; null: not known. */
  images: { train: number; held_out: number } | null;
  curves: boolean;
  grid: boolean;
}

/** The card of a release: metadata that the Hub reads, then what a person has to know before using it. */
export function modelCard(facts: CardFacts): string {
  return `---\n${stringify(cardMetadata(facts), { lineWidth: 0 })}---\n\n${cardText(facts)}`;
}

/** The YAML header: base model, license, trigger, widget pictures and measured results. */
export function cardMetadata(facts: CardFacts): Record<string, unknown> {
  const { context } = facts.provenance;
  const { config, base } = context;
  return {
    base_model: base.repo,
    base_model_relation: 'adapter',
    library_name: 'diffusers',
    pipeline_tag: 'text-to-image',
    ...licenseFields(facts.provenance.license),
    instance_prompt: config.dataset.trigger,
    tags: ['text-to-image', 'diffusers', 'lora', 'flux', 'template:sd-lora', 'plein-air'],
    datasets: [facts.provenance.dataset.repo],
    ...(facts.samples.length === 0
      ? {}
      : { widget: facts.samples.map((s) => ({ text: s.prompt, output: { url: s.path } })) }),
    'model-index': [{ name: config.model, results: results(facts) }],
  };
}

function results(facts: CardFacts): unknown[] {
  const measured = [...facts.gate, ...facts.informative].filter((row) => row.value !== null);
  if (measured.length === 0) return [];
  const { dataset } = facts.provenance;
  return [
    {
      task: { type: 'text-to-image', name: 'Text to image' },
      dataset: {
        type: dataset.repo,
        name: `${facts.provenance.context.config.dataset.style}, held out`,
        split: 'held_out',
        revision: dataset.commit,
      },
      metrics: measured.map((row) => ({
        // A type of the Hub's has no spaces.
        type: row.metric.replaceAll(/[^\w.-]+/g, '-'),
        name: row.metric,
        value: row.value,
        ...(row.low === null || row.high === null ? {} : { args: { low: row.low, high: row.high } }),
        verified: false,
      })),
    },
  ];
}

function cardText(facts: CardFacts): string {
  const { provenance } = facts;
  const { context } = provenance;
  const { config, base } = context;
  const sections = [
    `# ${escapeMarkdown(titleOf(config.model))}`,
    `${code(provenance.tag)} · a LoRA that teaches [${escapeMarkdown(base.repo)}](https://huggingface.co/${base.repo}) to paint in the manner of ${escapeMarkdown(config.dataset.style)}. ${whyReleased(provenance, facts.standing)}`,
    facts.grid ? '![The standard samples: base and adapter, side by side](images/grid.png)' : '',
    `## Use it\n\n${usage(provenance)}`,
    `Put ${code(config.dataset.trigger)} at the end of the prompt: it calls the style up.`,
    filesToTake(provenance),
    `## How it was judged\n\n${howJudged(provenance, facts.standing)}\n\n${gateTable(facts.gate)}\n\nThe bounds of all looks, and of all candidates that were tried for one release, hold together at ${figure(config.gate.confidence * 100)} % confidence, over ${escapeMarkdown(config.evaluation.promptSet)} with ${config.evaluation.seedsPerPrompt} seeds a prompt, the same for base and adapter.`,
    facts.informative.length === 0
      ? ''
      : `Measured for information, without a rule: ${facts.informative.map((r) => `${code(r.metric)} ${figure(r.value)}`).join(', ')}.`,
    `## How it was trained\n\n${trainingTable(context, facts, provenance)}`,
    facts.curves ? '![Training loss, held-out loss and learning rate by step](images/training.png)' : '',
    `## Limits\n\n${limits(context)}`,
    `## Where it comes from\n\n${lineage(provenance)}`,
    `## License\n\n${licenseText(provenance)}`,
  ];
  return `${sections.filter((s) => s !== '').join('\n\n')}\n`;
}

/** Why it was released, in the card's first lines: an override must not have to be looked for. */
function whyReleased({ context, tag, overruled, approval }: Provenance, standing?: Standing): string {
  const verdict = overruled ?? 'PASS';
  const { word, sentence } = describeOutcome(
    releaseOutcome({ repo: context.repos.release, tag, verdict, approval }),
  );
  const { config } = context;
  const less = loosened(gateRules(config), defaultRules(config));
  const named = less.slice(0, NAMED_RULES).map((one) => `- ${escapeMarkdown(one)}`);
  const more = less.length > NAMED_RULES ? [`- and ${less.length - NAMED_RULES} more`] : [];
  const asked =
    less.length === 0
      ? []
      : [`**Judged by less than the project's default rules:**\n\n${[...named, ...more].join('\n')}`];
  const repeated =
    standing === undefined || standing.place === 1
      ? []
      : [`**Not the first try.** ${escapeMarkdown(describeStanding(standing))}`];
  return [`**${word}.** ${escapeMarkdown(sentence)}`, ...repeated, ...asked].join('\n\n');
}

/** Rules left out or loosened that a card names one by one. */
const NAMED_RULES = 10;

function usage(p: Provenance): string {
  const { config, base, repos } = p.context;
  return [
    '```python',
    'import torch',
    'from diffusers import FluxPipeline',
    '',
    `pipe = FluxPipeline.from_pretrained("${base.repo}", revision="${base.commit}", torch_dtype=torch.bfloat16)`,
    `pipe.load_lora_weights("${repos.release}", revision="${p.tag}")`,
    'picture = pipe(',
    `    ${JSON.stringify(`a river in spring, ${config.dataset.trigger}`)},`,
    `    width=${config.evaluation.size}, height=${config.evaluation.size},`,
    `    num_inference_steps=${config.evaluation.inferenceSteps}, guidance_scale=${config.evaluation.guidance},`,
    '    max_sequence_length=min(512, pipe.tokenizer_2.model_max_length),',
    ').images[0]',
    '```',
  ].join('\n');
}

/** Which file is for which program, one click away. */
function filesToTake({ tag, exports, context }: Provenance): string {
  const { release, space } = context.repos;
  const link = (path: string) =>
    /^[\w.-]+$/.test(path)
      ? `[${escapeMarkdown(path)}](https://huggingface.co/${release}/resolve/${tag}/${path}?download=true)`
      : code(path);
  const items = [
    `diffusers, peft, ai-toolkit, mflux: ${link(ADAPTER_FILE)}`,
    ...exports.map(({ path }) => `ComfyUI, Forge, InvokeAI, sd-scripts, nunchaku: ${link(path)}`),
    ...(context.config.deployment.space
      ? [`without installing anything: [the Space](https://huggingface.co/spaces/${space})`]
      : []),
  ];
  return `${items.map((item) => `- ${item}`).join('\n')}\n\nStrength 1 is the strength that was judged, in all of them.`;
}

/** The gate in a few sentences, for people who have not read its page. */
function howJudged({ context, adapter, approval }: Provenance, standing?: Standing): string {
  const { evaluation, gate } = context.config;
  const items = [
    `${evaluation.seedsPerPrompt} images of every prompt were generated twice from the same seeds: by the base, and with this file (sha256 ${code(adapter.sha256.slice(0, 12))}).`,
    'The pictures that they are compared with were held out of the training.',
    `Every rule below was written down before training began, and asks for a bound at ${figure(gate.confidence * 100)} % confidence, not for an average.`,
    ...(standing === undefined ? [] : [escapeMarkdown(describeStanding(standing))]),
    'A rule whose bound does not clear its threshold does not hold: undecided counts as no.',
    approval === null
      ? 'No person looked at it before the release.'
      : 'A person looked at it before the release.',
  ];
  return items.map((item) => `- ${item}`).join('\n');
}

/** The gate's rules with what was measured, as a Markdown table. */
export function gateTable(rows: GateRow[]): string {
  if (rows.length === 0) return 'No rule was recorded.';
  return markdownTable(
    ['metric', 'estimate', 'interval', 'must be', 'holds'],
    rows.map((row) => [
      code(row.metric),
      figure(row.value),
      row.low === null || row.high === null ? 'not measured' : `${figure(row.low)} … ${figure(row.high)}`,
      row.must === null || row.threshold === null ? '' : `${row.must} ${figure(row.threshold)}`,
      row.holds === null ? 'undecided' : row.holds ? 'yes' : 'no',
    ]),
    [1, 2],
  );
}

function trainingTable(context: RunContext, facts: CardFacts, p: Provenance): string {
  const t = context.config.training;
  const setting = (key: string, fallback: unknown) => String(p.fingerprint[`training.${key}`] ?? fallback);
  return markdownTable(
    ['what', 'value'],
    [
      [
        'pictures',
        facts.images === null
          ? 'not recorded'
          : `${facts.images.train} to train, ${facts.images.held_out} held out`,
      ],
      ['steps', `${p.training.step} of ${p.training.steps}, batch ${t.batchSize} × ${t.accumulation}`],
      ['rank / alpha', `${setting('rank', t.rank)} / ${setting('alpha', t.alpha)}`],
      ['layers', escapeMarkdown(setting('targets', t.targets))],
      [
        'learning rate',
        `${setting('learningRate', t.learningRate)}, ${t.schedule}, ${t.warmupSteps} warm-up steps`,
      ],
      ['resolution', `${context.config.dataset.resolution}² pixels, buckets by aspect ratio`],
      ['held-out loss', figure(p.training.heldOutLoss)],
      ['interruptions', `${p.training.preemptions}, ${p.training.repeatedSteps} steps repeated`],
    ],
  );
}

function limits(context: RunContext): string {
  const tiny = context.base.repo.endsWith('/tiny-flux');
  const items = [
    `It knows ${escapeMarkdown(context.config.dataset.style)} as its training set shows it: the painters who are missing there are missing here.`,
    'People, hands and lettering are as weak as in the base model; a style adapter does not mend them.',
    'Style labels of the source are noisy, and its pictures over-represent European painters of the nineteenth century.',
    'Copying was tested against the training set with the closest pairs in the run report; a test on a finite sample cannot rule single copies out.',
  ];
  if (tiny)
    items.unshift(
      'This adapter belongs to a tiny demonstration base trained on generated pictures: it shows that the pipeline works, and nothing about FLUX.1 [dev] or about real paintings.',
    );
  return items.map((item) => `- ${item}`).join('\n');
}

function lineage(p: Provenance): string {
  const at = (repo: string, commit: string) => `${code(repo)} at ${code(commit.slice(0, 12))}`;
  const { context } = p;
  return `${markdownTable(
    ['part', 'where'],
    [
      ['adapter', `sha256 ${code(p.adapter.sha256)}`],
      ['run', code(context.run)],
      ['base model', at(context.base.repo, context.base.commit)],
      ['dataset', at(p.dataset.repo, p.dataset.commit)],
      ['source', at(context.source.repo, context.source.commit)],
      [
        'checkpoint',
        `${at(p.training.checkpoint.repo, p.training.checkpoint.commit)}, ${code(p.training.path)}`,
      ],
      ['evaluation', at(p.evaluation.report.repo, p.evaluation.report.commit)],
      ['verdict', at(p.evaluation.verdict.repo, p.evaluation.verdict.commit)],
      ['configuration', `sha256 ${code(p.configFingerprint)}`],
      ...(p.approval === null
        ? []
        : [['approved by', `${escapeMarkdown(p.approval.by)}: ${escapeMarkdown(p.approval.reason)}`]]),
    ],
  )}\n\nThe same, for machines: ${code('provenance.json')}.`;
}

/** The base's license, and what is known of the pictures'. */
function licenseText({ license, context, datasetLicense }: Provenance): string {
  const pictures =
    datasetLicense === null
      ? 'The card of the training pictures states no license.'
      : `The card of the training pictures states the license ${code(datasetLicense)}.`;
  return [noticeMarkdown(license, context.base.repo), pictures].join('\n\n');
}

/** README of the Space: its header is what the Hub builds it from. */
export function spaceCard(p: Provenance): string {
  const { context } = p;
  const header = {
    title: titleOf(context.config.model).slice(0, 60),
    emoji: '🎨',
    colorFrom: 'yellow',
    colorTo: 'blue',
    sdk: 'gradio',
    sdk_version: GRADIO_VERSION,
    app_file: 'app.py',
    pinned: false,
    ...licenseFields(p.license),
    models: [context.repos.release, context.base.repo],
    short_description: `Paints in the manner of ${context.config.dataset.style}`.slice(0, 60),
  };
  return `---\n${stringify(header, { lineWidth: 0 })}---\n\n# ${escapeMarkdown(titleOf(context.config.model))}\n\nServes ${code(context.repos.release)} ${code(p.tag)}: one prompt, painted by the base model and with the adapter, at the same seed. The revision is pinned in ${code('config.json')}.\n\n${noticeMarkdown(p.license, context.base.repo)}\n`;
}

/** The Gradio version that the Space is built with and tested against. */
export const GRADIO_VERSION = '6.31.0';
