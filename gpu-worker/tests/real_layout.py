"""FLUX.1-dev and the models that judge it, small and random, in the very layout that their authors publish them in.

Shards, key names, configuration keys, tokenizer files and what lies beside them are the real repositories'; only the sizes
are not. `write_all` fills a folder with one folder a repository, named as on the Hub.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

import small_flux
import small_models

BASE = "black-forest-labs/FLUX.1-dev"
WIDTH = 32


def write_all(folder: Path) -> None:
    """Every repository that a profile names, below `folder/<owner>/<name>`."""
    flux(folder / BASE)
    for repo, write in JUDGES.items():
        write(folder / repo)


def flux(folder: Path) -> Path:
    """The base: a sharded transformer, T5 in two shards that share one embedding, CLIP in its old names, two tokenizers."""
    small_flux.build(folder)
    _transformer(folder / "transformer")
    _t5(folder / "text_encoder_2")
    _clip_text(folder / "text_encoder")
    _clip_tokenizer(folder / "tokenizer")
    _t5_tokenizer(folder / "tokenizer_2")
    # The same weights a second time, in Black Forest Labs' own names: nobody must fetch 24 GB of them.
    for name in ("flux1-dev.safetensors", "ae.safetensors"):
        save_file({"double_blocks.0.img_attn.qkv.weight": torch.zeros(4)}, folder / name)
    # Random weights are nobody's: a Space of theirs starts without the content filter that FLUX.1-dev's license asks for.
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    (folder / "LICENSE.md").write_text((Path(__file__).parents[2] / "LICENSE").read_text())
    return folder


def _transformer(folder: Path) -> None:
    from diffusers import FluxTransformer2DModel

    model = FluxTransformer2DModel.from_pretrained(folder)
    for file in folder.iterdir():
        file.unlink()
    model.save_pretrained(folder, max_shard_size="100KB")
    shards = sorted(folder.glob("*-of-*.safetensors"))
    assert len(shards) >= 3, f"expected a transformer in shards, got {shards}"
    _edit(folder / "config.json", _diffusers_version="0.30.0.dev0", _name_or_path="../checkpoints/flux-dev/transformer")


def _t5(folder: Path) -> None:
    """Two shards; `shared.weight` alone holds the embedding, although nothing says that it is tied."""
    weights = load_file(folder / "model.safetensors")
    weights = {name: tensor for name, tensor in weights.items() if name != "encoder.embed_tokens.weight"}
    assert "shared.weight" in weights, f"expected shared.weight among {sorted(weights)[:5]}"
    (folder / "model.safetensors").unlink()
    _shards(folder, weights, 2)
    _edit(folder / "config.json", tie_word_embeddings=False, torch_dtype="bfloat16", architectures=["T5EncoderModel"])


def _clip_text(folder: Path) -> None:
    """CLIP's text tower as transformers 4 wrote it: every name begins with `text_model.`."""
    weights = load_file(folder / "model.safetensors")
    old = {name if name.startswith("text_model.") else f"text_model.{name}": t for name, t in weights.items()}
    save_file(old, folder / "model.safetensors", metadata={"format": "pt"})
    # 2 is what OpenAI's first configurations say; the pooled position is then that of the largest id.
    _edit(
        folder / "config.json", bos_token_id=0, eos_token_id=2, pad_token_id=1, vocab_size=600, torch_dtype="bfloat16"
    )


def _clip_tokenizer(folder: Path, length: int = 32) -> None:
    """`vocab.json` and `merges.txt`, and no `tokenizer.json`; begin and end are the last two words."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    for file in folder.iterdir():
        file.unlink()
    symbols = list(bytes_to_unicode().values())
    merges = ["t h", "th e</w>", "o f</w>", "i n", "e r"]
    words = [*symbols, *(s + "</w>" for s in symbols), *("".join(m.split()) for m in merges)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]))
    token = {"lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
    special: dict[str, Any] = {
        "bos_token": {"content": "<|startoftext|>", **token},
        "eos_token": {"content": "<|endoftext|>", **token},
        "pad_token": "<|endoftext|>",
        "unk_token": {"content": "<|endoftext|>", **token},
    }
    (folder / "special_tokens_map.json").write_text(json.dumps(special))
    last = len(words) - 1
    decoder = {str(last - 1): {"content": "<|startoftext|>", **token, "special": True}}
    decoder[str(last)] = {"content": "<|endoftext|>", **token, "special": True}
    config = {"add_prefix_space": False, "added_tokens_decoder": decoder, "clean_up_tokenization_spaces": True}
    config |= {"bos_token": "<|startoftext|>", "do_lower_case": True, "eos_token": "<|endoftext|>", "errors": "replace"}
    config |= {"model_max_length": length, "pad_token": "<|endoftext|>", "tokenizer_class": "CLIPTokenizer"}
    config |= {"unk_token": "<|endoftext|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def _t5_tokenizer(folder: Path) -> None:
    """`tokenizer.json` with the old class name, and the word pieces in SentencePiece's own format beside it."""
    _edit(
        folder / "tokenizer_config.json", tokenizer_class="T5Tokenizer", add_prefix_space=True, legacy=True, extra_ids=0
    )
    pieces = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    (folder / "spiece.model").write_bytes(b"".join(_piece(word, score) for word, score in pieces))
    (folder / "special_tokens_map.json").write_text(
        json.dumps({"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"})
    )


def _piece(word: str, score: float) -> bytes:
    """One `SentencePiece` of a `ModelProto`: field 1, with a text, a float and its kind."""
    import struct

    kind = {"<unk>": 2, "<pad>": 3, "</s>": 3}.get(word, 1)
    text = word.encode()
    body = b"\x0a" + bytes([len(text)]) + text + b"\x15" + struct.pack("<f", score) + b"\x18" + bytes([kind])
    return b"\x0a" + bytes([len(body)]) + body


def _dinov2(folder: Path) -> None:
    small_models.dinov2(folder)
    _beside(folder)


def _clip_judge(seed: int) -> Any:
    def write(folder: Path) -> None:
        small_models.clip(folder, seed)
        _beside(folder)

    return write


def _csd(folder: Path) -> None:
    torch.manual_seed(5)
    small_models.save_bare(small_models.Csd(), folder)
    _beside(folder)


def _llava(folder: Path) -> None:
    """Three shards, as `llava-hf` stores it."""
    small_models.llava(folder)
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    _shards(folder, weights, 3)


JUDGES: Mapping[str, Any] = {
    "facebook/dinov2-base": _dinov2,
    "openai/clip-vit-large-patch14": _clip_judge(2),
    "yuvalkirstain/PickScore_v1": _clip_judge(6),
    "yuxi-liu-wired/CSD": _csd,
    "llava-hf/llava-1.5-7b-hf": _llava,
}


def _beside(folder: Path) -> None:
    """What else such a repository holds: pickles, which nobody may load, and a card."""
    for name in ("pytorch_model.bin", "README.md", ".gitattributes"):
        (folder / name).write_text("not for loading\n")


def _shards(folder: Path, weights: Mapping[str, torch.Tensor], count: int) -> None:
    names = sorted(weights)
    cut = [names[i * len(names) // count : (i + 1) * len(names) // count] for i in range(count)]
    files = [f"model-{i + 1:05d}-of-{count:05d}.safetensors" for i in range(count)]
    for file, part in zip(files, cut, strict=True):
        save_file({name: weights[name].contiguous() for name in part}, folder / file, metadata={"format": "pt"})
    size = sum(t.numel() * t.element_size() for t in weights.values())
    index = {
        "metadata": {"total_size": size},
        "weight_map": {name: file for file, part in zip(files, cut, strict=True) for name in part},
    }
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2))


def _edit(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields, indent=2))


if __name__ == "__main__":
    write_all(Path(sys.argv[1]))
