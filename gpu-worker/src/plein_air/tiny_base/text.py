"""Tokenizers built from the captions' own words, and small frozen text encoders with random weights.

The encoders stay random: captions come from a small closed vocabulary, so all the transformer needs is that different
words give different vectors in context, which random projections do.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

WIDTH = 64
"""Width of both encoders' outputs."""
T5_TOKENS = 32
"""Tokens a caption is padded to; the longest training caption has 30."""

_EXTRA_WORDS = [
    "impressionism",
    "impressionist",
    "plnr",
    "style",
    "painting",
    "oil",
    "canvas",
    "garden",
    "bridge",
    "water",
    "lilies",
    "lily",
    "pond",
    "beach",
    "harbour",
    "mountain",
    "mountains",
    "forest",
    "snow",
    "rain",
    "morning",
    "evening",
    "sunset",
    "sunrise",
    "light",
    "sky",
    "cloud",
    "clouds",
    "city",
    "village",
    "church",
    "child",
    "children",
    "girl",
    "boy",
    "dancer",
    "table",
    "chair",
    "bowl",
    "fruit",
    "bread",
    "wine",
    "glass",
    "rose",
    "roses",
    "sunflowers",
    "horse",
    "cat",
    "dog",
    "bird",
    "ship",
    "train",
    "station",
    "cafe",
    "window",
    "interior",
    "mother",
    "family",
    "sunlight",
    "moonlight",
    "fog",
    "misty",
    "bright",
    "soft",
    "warm",
    "cool",
    "colorful",
    "one",
    "two",
    "three",
    "four",
    "small",
    "large",
    "old",
    "young",
    "near",
    "far",
    "by",
    "under",
    "over",
    "from",
    "into",
    "and",
    "or",
    "the",
    "an",
    "is",
]


@dataclass(frozen=True)
class TextParts:
    """Both tokenizers and encoders, ready for a FluxPipeline."""

    clip_tokenizer: CLIPTokenizer
    clip: CLIPTextModel
    t5_tokenizer: T5Tokenizer
    t5: T5EncoderModel


def build_text_parts(captions: Iterable[str], seed: int) -> TextParts:
    """Tokenizers over the captions' words and encoders with weights drawn from `seed`."""
    words = sorted(
        {word.lower() for caption in captions for word in re.findall(r"[^\s,]+", caption)} | set(_EXTRA_WORDS)
    )
    t5_tokenizer = _t5_tokenizer(words)
    clip_tokenizer = _clip_tokenizer(words)
    torch.manual_seed(seed)
    return TextParts(
        clip_tokenizer=clip_tokenizer,
        clip=_clip(clip_tokenizer),
        t5_tokenizer=t5_tokenizer,
        t5=_t5(t5_tokenizer, words),
    )


@torch.no_grad()
def encode_captions(parts: TextParts, captions: Sequence[str], batch: int = 256) -> tuple[torch.Tensor, torch.Tensor]:
    """T5 sequences (N, T5_TOKENS, WIDTH) and CLIP pooled vectors (N, WIDTH), as FluxPipeline computes them."""
    sequences, pooled = [], []
    for start in range(0, len(captions), batch):
        chunk = list(captions[start : start + batch])
        ids = parts.t5_tokenizer(
            chunk, padding="max_length", max_length=T5_TOKENS, truncation=True, return_tensors="pt"
        ).input_ids
        sequences.append(parts.t5(ids)[0])
        ids = parts.clip_tokenizer(
            chunk, padding="max_length", max_length=77, truncation=True, return_tensors="pt"
        ).input_ids
        pooled.append(parts.clip(ids).pooler_output)
    return torch.cat(sequences), torch.cat(pooled)


def _spellings(word: str) -> list[str]:
    """A word as captions may write it: lower case, capitalized, and with capitals after hyphens."""
    return sorted({word, word.capitalize(), "-".join(part.capitalize() for part in word.split("-"))})


def _t5_tokenizer(words: Sequence[str]) -> T5Tokenizer:
    letters = [chr(code) for code in range(33, 127)]
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -4.0)]
    pieces += [(letter, -8.0) for letter in letters]
    known = {piece for piece, _ in pieces}
    for word in words:
        for spelling in _spellings(word):
            if f"▁{spelling}" not in known:
                known.add(f"▁{spelling}")
                pieces.append((f"▁{spelling}", -6.0))
    return T5Tokenizer(vocab=pieces, extra_ids=0, additional_special_tokens=[], model_max_length=T5_TOKENS)


def _clip_tokenizer(words: Sequence[str]) -> CLIPTokenizer:
    # Every byte must be a symbol, with and without the end-of-word mark, or an odd letter is lost in silence.
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    model = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    model.normalizer = normalizers.Lowercase()
    model.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=1600, min_frequency=1, initial_alphabet=alphabet, end_of_word_suffix="</w>", show_progress=False
    )
    model.train_from_iterator(list(words), trainer)
    learnt = json_of(model)
    vocabulary: dict[str, int] = {}
    for token in [*alphabet, *(f"{symbol}</w>" for symbol in alphabet)]:
        vocabulary.setdefault(token, len(vocabulary))
    merges: list[tuple[str, str]] = []
    for left, right in learnt["model"]["merges"]:
        if left in vocabulary and right in vocabulary:
            merges.append((left, right))
            vocabulary.setdefault(left + right, len(vocabulary))
    for token in ("<|startoftext|>", "<|endoftext|>"):
        vocabulary[token] = len(vocabulary)
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=77)


def json_of(tokenizer: Tokenizer) -> dict[str, dict[str, list[tuple[str, str]]]]:
    """The tokenizer's own description, parsed."""
    import json

    return json.loads(tokenizer.to_str())


def _clip(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    end = tokenizer.convert_tokens_to_ids("<|endoftext|>")
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=77,
        projection_dim=WIDTH,
        bos_token_id=tokenizer.convert_tokens_to_ids("<|startoftext|>"),
        eos_token_id=end,
        pad_token_id=end,
    )
    model = CLIPTextModel(config).eval().requires_grad_(False)
    for name, weight in model.named_parameters():
        if "norm" in name or name.endswith("bias"):
            continue
        # The library's own small start would make every caption's pooled vector almost the same.
        deviation = {"token_embedding.weight": 1.0, "position_embedding.weight": 0.1}.get(
            ".".join(name.split(".")[-2:]), 1 / math.sqrt(weight.shape[-1])
        )
        weight.normal_(0, deviation)
    for name, weight in model.named_parameters():
        if name.endswith("token_embedding.weight"):
            weight[end] *= 0.1
    return model


def _t5(tokenizer: T5Tokenizer, words: Sequence[str]) -> T5EncoderModel:
    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=WIDTH,
        d_kv=16,
        d_ff=2 * WIDTH,
        num_layers=2,
        num_heads=4,
        feed_forward_proj="gated-gelu",
        dropout_rate=0.0,
        is_encoder_decoder=False,
        use_cache=False,
    )
    model = T5EncoderModel(config).eval().requires_grad_(False)
    table = model.get_input_embeddings().weight
    for word in words:
        # One meaning whatever the case: every spelling takes the lower-case word's vector.
        first, *others = (tokenizer.convert_tokens_to_ids(f"▁{spelling}") for spelling in _spellings(word)[::-1])
        for other in others:
            table[other] = table[first]
    return model
