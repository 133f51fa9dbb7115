import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execa } from 'execa';
import { type HubInTest, startHubInTest, TOKEN } from '../local-hub/hub-in-test.ts';

const PYTHON = resolve('gpu-worker/.venv/bin/python');

interface Outcome {
  readonly case: string;
  readonly error: string | null;
}

/** Runs all cases of a script in one Python process, in the client's default environment but for address and token. */
async function runCases(hub: HubInTest, script: string): Promise<Map<string, Outcome>> {
  const home = await mkdtemp(join(tmpdir(), 'plein-air-hf-'));
  try {
    const { stdout, stderr } = await execa(PYTHON, [resolve('test/hub-conformance', script)], {
      env: {
        HF_ENDPOINT: hub.url,
        HF_TOKEN: TOKEN,
        HF_HOME: home,
        OMP_NUM_THREADS: '1',
        PYTHONDONTWRITEBYTECODE: '1',
      },
      reject: false,
    });
    const outcomes = stdout
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Outcome);
    if (outcomes.length === 0)
      throw new Error(`Expected outcomes from ${script}, got: ${stderr.slice(-3000)}`);
    return new Map(outcomes.map((outcome) => [outcome.case, outcome]));
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

const GROUPS = [
  {
    client: 'huggingface_hub and the hf command',
    script: 'python_client.py',
    cases: {
      upload_folder_and_snapshot: 'uploads a folder through Xet and downloads the same snapshot',
      bytes_and_buffers: 'uploads bytes through Xet and open files through LFS',
      same_upload_twice_makes_one_commit: 'makes no commit of what is there already',
      tags_and_branches: 'creates, moves and deletes tags and branches',
      deletes_and_copies: 'deletes and copies files and folders in one commit',
      stale_parent_is_refused: 'refuses a stale parent commit with 412',
      listings: 'lists trees, commits and files in pages, with their last commits',
      typed_errors: 'raises the typed errors',
      private_and_gated: 'hides private repos and gates gated ones',
      squash_and_lfs_files: 'squashes history and deletes large files for good',
      move_and_delete: 'moves and deletes repos',
      spaces: 'manages a Space, its secrets, variables and hardware',
      paths_that_need_quoting: 'keeps names with spaces, signs and letters of any script',
      file_system_interface: 'reads and writes through fsspec',
      command_line: 'serves the hf command line',
    },
  },
  {
    client: 'datasets and diffusers',
    script: 'python_libraries.py',
    cases: {
      load_dataset_of_parquet: 'loads a dataset of parquet shards',
      load_dataset_streaming: 'streams a dataset of parquet shards',
      push_images_and_load_them_back: 'pushes a dataset of images and loads it back',
      load_an_image_folder: 'loads an image folder with captions',
      push_and_load_a_diffusers_model: 'pushes a diffusers model and loads it back',
      load_lora_weights_at_a_tag: 'loads LoRA weights at a tag',
    },
  },
];

const describeWithPython = existsSync(PYTHON) ? describe : describe.skip;

for (const { client, script, cases } of GROUPS) {
  describeWithPython(`${client} against the local Hub`, () => {
    let hub: HubInTest;
    let outcomes: Map<string, Outcome>;

    beforeAll(async () => {
      hub = await startHubInTest();
      outcomes = await runCases(hub, script);
    }, 240_000);
    afterAll(async () => hub.stop());

    it.each(Object.entries(cases).map(([name, sentence]) => ({ name, sentence })))(
      '$sentence',
      ({ name }) => {
        expect(outcomes.get(name)).toMatchObject({ error: null });
      },
    );
  });
}
