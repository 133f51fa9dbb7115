import { Tokenizer } from '@huggingface/tokenizers';
import type { CommitRef } from '../domain/refs.ts';
import type { Hub } from '../hub/hub.ts';

/** Tokens that a text encoder sees of a caption at the most, its end marks included. */
export const TOKEN_LIMITS = { clip: 77, t5: 512 } as const;
export type TextEncoder = keyof typeof TOKEN_LIMITS;

/** Counts a caption's tokens as each of the base's encoders would; null where the base has no readable tokenizer. */
export type TokenCounters = Record<TextEncoder, ((caption: string) => number) | null>;

const FOLDERS: Record<TextEncoder, string> = { clip: 'tokenizer', t5: 'tokenizer_2' };

/** The tokenizers of a FLUX base, from its small files alone. */
export async function tokenCounters(hub: Hub, base: CommitRef): Promise<TokenCounters> {
  const counter = async (encoder: TextEncoder): Promise<((caption: string) => number) | null> => {
    const folder = FOLDERS[encoder];
    const [whole, config, vocabulary, merges] = await Promise.all(
      ['tokenizer.json', 'tokenizer_config.json', 'vocab.json', 'merges.txt'].map(async (name) =>
        (await hub.read(base, base.commit, `${folder}/${name}`))?.toString('utf8'),
      ),
    );
    try {
      const json =
        whole !== undefined
          ? JSON.parse(whole)
          : vocabulary !== undefined && merges !== undefined
            ? clipTokenizer(JSON.parse(vocabulary), merges)
            : null;
      if (json === null) return null;
      const tokenizer = new Tokenizer(json, JSON.parse(config ?? '{}'));
      return (caption) => tokenizer.encode(caption).ids.length;
    } catch {
      return null;
    }
  };
  const [clip, t5] = await Promise.all([counter('clip'), counter('t5')]);
  return { clip, t5 };
}

/** CLIP's byte-level BPE in the form of one file, for bases that ship vocabulary and merges apart, as FLUX.1-dev does. */
function clipTokenizer(vocab: Record<string, number>, merges: string): object {
  const mark = (content: string) => ({
    id: vocab[content],
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  });
  const [start, end] = ['<|startoftext|>', '<|endoftext|>'];
  return {
    version: '1.0',
    added_tokens: [mark(start), mark(end)],
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'NFC' },
        { type: 'Replace', pattern: { Regex: '\\s+' }, content: ' ' },
        { type: 'Lowercase' },
      ],
    },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        {
          type: 'Split',
          pattern: {
            Regex:
              "<\\|startoftext\\|>|<\\|endoftext\\|>|'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+",
          },
          behavior: 'Removed',
          invert: true,
        },
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true },
      ],
    },
    post_processor: { type: 'RobertaProcessing', sep: [end, vocab[end]], cls: [start, vocab[start]] },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true },
    model: {
      type: 'BPE',
      unk_token: end,
      continuing_subword_prefix: '',
      end_of_word_suffix: '</w>',
      fuse_unk: false,
      vocab,
      merges: merges.split('\n').filter((line) => line !== '' && !line.startsWith('#version')),
    },
  };
}
