"""A base with the shapes of FLUX.1-dev and random weights, and pictures to train on: nothing is downloaded."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from pathlib import Path
from typing import Any

_DEVIATION = 0.02
"""Standard deviation of random weights: activations neither vanish nor overflow."""
_SPLITS = {"train": 2, "held_out": 3, "neighbors": 2}
_DONE = "written"


def write_base(folder: Path, tiny: Path, small: bool) -> Path:
    """The base in diffusers' layout: `tiny` itself where `small`, else its tokenizers beside full-size random parts.

    The text encoders have the real widths and one layer: what they hand on has the real shape. 24 GB of disk at full size.
    """
    if (folder / _DONE).exists():
        return folder
    if small:
        shutil.copytree(tiny, folder, dirs_exist_ok=True)
    else:
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("tokenizer", "tokenizer_2", "scheduler"):
            shutil.copytree(tiny / name, folder / name, dirs_exist_ok=True)
        shutil.copy(tiny / "model_index.json", folder / "model_index.json")
        (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(_SCHEDULER))
        _write_encoders(folder, tiny)
        _write_transformer(folder / "transformer")
    (folder / _DONE).touch()
    return folder


_SCHEDULER = {
    "_class_name": "FlowMatchEulerDiscreteScheduler", "use_dynamic_shifting": True, "shift": 3.0,
    "base_shift": 0.5, "max_shift": 1.15, "base_image_seq_len": 256, "max_image_seq_len": 4096,
}  # fmt: skip


def _write_encoders(folder: Path, tiny: Path) -> None:
    import torch
    from diffusers import AutoencoderKL
    from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

    def settings(part: str) -> Any:
        return json.loads((tiny / part / "config.json").read_text())

    torch.manual_seed(0)
    clip: Any = {**settings("text_encoder"), "hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12}
    clip["num_hidden_layers"] = 1
    CLIPTextModel(CLIPTextConfig(**clip)).save_pretrained(folder / "text_encoder")
    t5: Any = {
        **settings("text_encoder_2"),
        "d_model": 4096,
        "d_kv": 64,
        "d_ff": 2048,
        "num_heads": 64,
        "num_layers": 1,
    }
    T5EncoderModel(T5Config(**t5)).save_pretrained(folder / "text_encoder_2")
    vae: Any = {
        "block_out_channels": (128, 256, 512, 512), "latent_channels": 16, "layers_per_block": 2, "sample_size": 1024,
        "down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4,
        "use_quant_conv": False, "use_post_quant_conv": False, "shift_factor": 0.1159, "scaling_factor": 0.3611,
    }  # fmt: skip
    AutoencoderKL(**vae).save_pretrained(folder / "vae")


def _write_transformer(folder: Path) -> None:
    """Random bf16 weights in one file a block, drawn on the accelerator where there is one."""
    import torch
    from diffusers import FluxTransformer2DModel
    from safetensors.torch import save_file

    from plein_air.devices import prepare_torch

    with torch.device("meta"):
        model = FluxTransformer2DModel(guidance_embeds=True)
    model.save_config(folder)
    shards: dict[str, dict[str, Any]] = {}
    for name, tensor in model.state_dict().items():
        parts = name.split(".")
        shards.setdefault(".".join(parts[:2]) if "blocks" in parts[0] else "outside", {})[name] = tensor.shape
    device = prepare_torch()
    generator = torch.Generator(device).manual_seed(0)
    files: dict[str, str] = {}
    for number, shapes in enumerate(shards.values(), 1):
        file = f"diffusion_pytorch_model-{number:05d}-of-{len(shards):05d}.safetensors"
        tensors = {
            name: (torch.randn(shape, generator=generator, device=device) * _DEVIATION).to(torch.bfloat16).cpu()
            for name, shape in shapes.items()
        }
        save_file(tensors, folder / file, metadata={"format": "pt"})
        files |= dict.fromkeys(tensors, file)
    index = {"metadata": {}, "weight_map": files}
    (folder / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(index))


def write_dataset(folder: Path, side: int) -> Path:
    """A prepared dataset of a few random pictures of one size."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    (folder / "data").mkdir(parents=True, exist_ok=True)
    for split, count in _SPLITS.items():
        rows = [_row(split, number, side) for number in range(count)]
        parquet.write_table(pa.Table.from_pylist(rows), folder / "data" / f"{split}-00000-of-00001.parquet")
    return folder


def _row(split: str, number: int, side: int) -> dict[str, Any]:
    import numpy as np
    from PIL import Image

    seed = int.from_bytes(hashlib.sha256(f"{split} {number}".encode()).digest()[:4], "big")
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(coarse).resize((side, side)).save(buffer, "PNG")
    return {
        "image": {"bytes": buffer.getvalue(), "path": None},
        "id": hashlib.sha256(buffer.getvalue()).hexdigest()[:16],
        "caption": f"a painting of a garden, number {number}",
        "style": "Random",
        "genre": "landscape",
        "cluster": seed,
        "width": side,
        "height": side,
        "flip_allowed": True,
    }
