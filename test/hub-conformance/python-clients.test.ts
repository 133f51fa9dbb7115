import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execa } from 'execa';
import { type HubInTest, startHubInTest, TOKEN } from '../local-hub/hub-in-test.ts';

const PYTHON = resolve('gpu-worker/.venv/bin/python');
const OLDER_PYTHON = resolve('test/hub-conformance/.venv/bin/python');
/** Read by cases that need a token of another role. */
const TOKENS = [
  { token: TOKEN, user: 'plein-air', role: 'write' as const },
  { token: 'hf_reader', user: 'critic', role: 'read' as const },
];

interface Outcome {
  readonly case: string;
  readonly error: string | null;
}

/** Runs all cases of a script in one Python process, in the client's default environment but for address and token. */
async function runCases(hub: HubInTest, python: string, script: string): Promise<Map<string, Outcome>> {
  const home = await mkdtemp(join(tmpdir(), 'plein-air-hf-'));
  const limited = await startHubInTest({ rateLimit: { requests: 20, windowSeconds: 2 } });
  try {
    const { stdout, stderr } = await execa(python, [resolve('test/hub-conformance', script)], {
      env: {
        HF_ENDPOINT: hub.url,
        HF_TOKEN: TOKEN,
        HF_LIMITED_ENDPOINT: limited.url,
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
    await limited.stop();
    await rm(home, { recursive: true, force: true });
  }
}

const CLIENT_CASES = {
  upload_folder_and_snapshot: 'uploads a folder through Xet and downloads the same snapshot',
  bytes_and_buffers: 'uploads bytes through Xet and open files through LFS',
  same_upload_twice_makes_one_commit: 'makes no commit of what is there already',
  tags_and_branches: 'creates, moves and deletes tags and branches',
  deletes_and_copies: 'deletes and copies files and folders in one commit',
  stale_parent_is_refused: 'refuses a stale parent commit with 412',
  listings: 'lists trees, commits and files in pages, with their last commits',
  typed_errors: 'raises the typed errors',
  private_and_gated: 'hides private repos and gates gated ones',
  gates_that_open_for_some: 'lets users into a gated repo, and turns them away again',
  squash_and_lfs_files: 'squashes history and deletes large files for good',
  move_and_delete: 'moves and deletes repos',
  spaces: 'manages a Space, its secrets, variables and hardware',
  paths_that_need_quoting: 'keeps names with spaces, signs and letters of any script',
  file_system_interface: 'reads and writes through fsspec',
  deletion_for_good_without_new_history: 'deletes large files for good and leaves history its ids',
  large_file_in_parts: 'uploads a large file in several parts',
  a_large_file_through_xet: 'uploads a large file with repeats through Xet, several xorbs of it',
  trees_of_more_than_a_page: 'pages through trees and histories of more than a page',
  waits_out_a_rate_limit: 'waits out a rate limit, or says how long to wait',
  tokens_that_may_only_read: 'refuses to write with a token that may only read',
  command_line: 'serves the hf command line',
};

const GROUPS = [
  {
    client: 'huggingface_hub 2.x and its hf command',
    python: PYTHON,
    script: 'python_client.py',
    cases: CLIENT_CASES,
  },
  {
    client: 'huggingface_hub 1.x and its hf command',
    python: OLDER_PYTHON,
    script: 'python_client.py',
    cases: CLIENT_CASES,
  },
  {
    client: 'datasets and diffusers',
    python: PYTHON,
    script: 'python_libraries.py',
    cases: {
      load_dataset_of_parquet: 'loads a dataset of parquet shards',
      load_dataset_streaming: 'streams a dataset of parquet shards',
      push_images_and_load_them_back: 'pushes a dataset of images and loads it back',
      load_an_image_folder: 'loads an image folder with captions',
      push_and_load_a_diffusers_model: 'pushes a diffusers model and loads it back',
      load_lora_weights_at_a_tag: 'loads LoRA weights at a tag',
      a_whole_pipeline_with_lora_weights:
        'loads a whole pipeline, then LoRA weights from a private repo, and paints',
      stream_images_and_push_them_again: 'streams images, maps them and pushes the stream',
    },
  },
];

for (const { client, python, script, cases } of GROUPS) {
  (existsSync(python) ? describe : describe.skip)(`${client} against the local Hub`, () => {
    let hub: HubInTest;
    let outcomes: Map<string, Outcome>;

    beforeAll(async () => {
      hub = await startHubInTest({ tokens: TOKENS });
      outcomes = await runCases(hub, python, script);
    }, 600_000);
    afterAll(async () => hub.stop());

    it.each(Object.entries(cases).map(([name, sentence]) => ({ name, sentence })))(
      '$sentence',
      ({ name }) => {
        expect(outcomes.get(name)).toMatchObject({ error: null });
      },
    );
  });
}
