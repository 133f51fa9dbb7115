import { spawnSync } from 'node:child_process';
import { expect, it } from '@jest/globals';
import { pythonPath, readEnvironment } from '../../src/config/env.ts';
import { CommitSha, RepoId } from '../../src/domain/refs.ts';
import type { Hub } from '../../src/hub/hub.ts';
import { tokenCounters } from '../../src/wikiart/caption-tokens.ts';

const CAPTIONS = [
  'A painting of the river and painted pain',
  'Été à Giverny — 1897, Monet’s garden!!',
  '  the\n river ',
  "don't  stop (at 12:30), it'll rain",
  '日本の橋 🙂',
  '<|endoftext|> the',
  '',
];
const MERGES = [
  'p a',
  'i n',
  'a n',
  'pa in',
  't in',
  'an d</w>',
  'o f</w>',
  'i n</w>',
  't h',
  'th e</w>',
].concat(['r i', 'ri v', 'riv e', 'rive r</w>']);

/** CLIP's vocabulary in small: all 256 bytes as GPT-2 writes them, each also at a word's end, and some merges. */
function vocabulary(): Record<string, number> {
  const printable = (byte: number) =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  let next = 256;
  const symbols = Array.from({ length: 256 }, (_, byte) =>
    String.fromCodePoint(printable(byte) ? byte : next++),
  );
  const tokens = [
    ...symbols,
    ...symbols.map((symbol) => `${symbol}</w>`),
    ...MERGES.map((m) => m.replace(' ', '')),
  ];
  return Object.fromEntries(
    [...new Set([...tokens, '<|startoftext|>', '<|endoftext|>'])].map((t, id) => [t, id]),
  );
}

it('counts CLIP’s tokens as transformers does, where a base ships vocabulary and merges apart, as FLUX.1-dev does', async () => {
  const vocab = vocabulary();
  const files: Record<string, string> = {
    'tokenizer/vocab.json': JSON.stringify(vocab),
    'tokenizer/merges.txt': `#version: 0.2\n${MERGES.join('\n')}\n`,
  };
  const hub = {
    read: async (_repo, _revision, path) => (path in files ? Buffer.from(files[path] as string) : null),
  } as Partial<Hub> as Hub;
  const base = { type: 'model' as const, repo: RepoId.parse('a/b'), commit: CommitSha.parse('0'.repeat(40)) };
  const { clip, t5 } = await tokenCounters(hub, base);
  expect(t5).toBeNull();
  const program = `
import json, sys
from transformers import CLIPTokenizer
given = json.load(sys.stdin)
tokenizer = CLIPTokenizer(vocab=given["vocab"], merges=[tuple(m.split(" ")) for m in given["merges"]])
print(json.dumps([len(tokenizer(caption)["input_ids"]) for caption in given["captions"]]))`;
  const { stdout, stderr } = spawnSync(pythonPath(readEnvironment()), ['-c', program], {
    input: JSON.stringify({ vocab, merges: MERGES, captions: CAPTIONS }),
    encoding: 'utf8',
  });
  if (stdout === '') throw new Error(stderr);
  expect(CAPTIONS.map((caption) => clip?.(caption))).toEqual(JSON.parse(stdout));
}, 120_000);
