import { stringify } from 'yaml';
import type { Profile } from '../domain/config/profiles.ts';
import { parseRunConfig, type RunConfig } from '../domain/config/run-config.ts';

/** The fields that people change, by section, with when to. */
const FIELDS: [section: keyof RunConfig | '', fields: [field: string, when: string][]][] = [
  [
    '',
    [
      ['model', 'name of the model that releases go to'],
      ['namespace', 'Hub user or organization; "run" takes the owner of the token'],
      ['seed', 'another number: the same settings, other noise'],
    ],
  ],
  [
    'dataset',
    [
      ['source', 'a dataset of the Hub; "--from FOLDER" puts your own pictures here'],
      ['style', 'the style that is trained, as the source calls it'],
      ['trigger', 'words that call the style up in a prompt'],
      [
        'captions',
        'own: yours as they are · described: without words of style · model: by dataset.captioner',
      ],
      ['minTrainingImages', 'lower it for a small set; intervals get wider'],
      ['resolution', 'smaller trains faster and shows less detail'],
    ],
  ],
  [
    'training',
    [
      ['steps', 'more for many pictures; the best checkpoint is taken, not the last'],
      ['learningRate', 'the study looks for it too'],
      ['rank', 'larger holds more and overfits sooner'],
      ['sampleEvery', 'steps between validation images'],
    ],
  ],
  [
    'tuning',
    [
      ['strategy', 'fixed: no study, the settings above · random, tpe, gp: a study'],
      ['trials', 'how many settings are tried'],
    ],
  ],
  ['evaluation', [['promptSet', 'the prompts that the model is judged by']]],
  [
    'gate',
    [
      ['requireApproval', 'true: a person decides after a PASS'],
      ['allowOverride', 'true: a person may release what the gate refused, by name'],
    ],
  ],
  ['deployment', [['space', 'the Space that serves the model; null: none']]],
  [
    'budget',
    [
      ['gpuHours', 'the run ends with what is saved when they are used up'],
      ['money', 'the same in money, where sessions have a price'],
    ],
  ],
];

/** A plein-air.yaml in which nothing holds yet but what was asked for: every other line shows its default and is switched off. */
export function projectFileText(p: {
  profile: Profile | null;
  style: string | null;
  schema: string;
}): string {
  const parsed = parseRunConfig(p.profile === null ? { profile: 't4' } : { profile: p.profile });
  if (!parsed.ok) throw new Error('a profile alone is a valid input');
  const defaults = parsed.value as unknown as Record<string, unknown>;
  const asked = new Map(
    p.style === null
      ? []
      : [
          ['dataset.style', p.style],
          ['dataset.trigger', p.style],
        ],
  );
  const lines = [
    `# yaml-language-server: $schema=${p.schema}`,
    '# What the runs of this folder have in common. "plein-air run", "start", "tune" and "prepare" read it here; what you',
    '# give them (--set, --input, options) is laid over it. A line that is switched off shows what holds without it.',
    '# All fields: docs/configuration.md. GPU machines that are brought by themselves: gpu-sources.yaml. Notices of runs:',
    '# the environment of the workers, PLEIN_AIR_WEBHOOK.',
    '',
    '# tiny, t4, l4, a100 or h100; without it the GPU that is there decides. The defaults below are those of this profile.',
    `${p.profile === null ? '#' : ''}profile: ${p.profile ?? 't4'}`,
  ];
  for (const [section, fields] of FIELDS) {
    const values = section === '' ? defaults : (defaults[section] as Record<string, unknown>);
    const given = fields.some(([field]) => asked.has(`${section}.${field}`));
    lines.push('');
    if (section !== '') lines.push(`${given ? '' : '#'}${section}:`);
    for (const [field, when] of fields) {
      const own = asked.get(`${section}.${field}`);
      const value = stringify(own ?? values[field], {
        indent: 2,
        collectionStyle: 'flow',
        lineWidth: 0,
      }).trim();
      const indent = section === '' ? '' : '  ';
      lines.push(`${indent}# ${when}`, `${own === undefined ? '#' : ''}${indent}${field}: ${value}`);
    }
  }
  return `${lines.join('\n')}\n`;
}
