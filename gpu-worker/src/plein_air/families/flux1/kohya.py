"""The adapter in the naming that ComfyUI and sd-scripts read, and back.

FLUX's original layers fuse what diffusers keeps apart: q, k and v are one matrix, in single blocks together with the
MLP's first layer. Matrices of rank r of n parts become one of rank n * r: the A matrices under one another, the B
matrices on the diagonal, alpha times n, so that the product stays the same.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from plein_air.errors import TrainerError

if TYPE_CHECKING:
    import torch

Tensors = dict[str, "torch.Tensor"]

_DOUBLE: dict[str, tuple[str, ...]] = {
    "img_attn_qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
    "txt_attn_qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
    "img_attn_proj": ("attn.to_out.0",),
    "txt_attn_proj": ("attn.to_add_out",),
    "img_mlp_0": ("ff.net.0.proj",),
    "img_mlp_2": ("ff.net.2",),
    "txt_mlp_0": ("ff_context.net.0.proj",),
    "txt_mlp_2": ("ff_context.net.2",),
    "img_mod_lin": ("norm1.linear",),
    "txt_mod_lin": ("norm1_context.linear",),
}
_SINGLE: dict[str, tuple[str, ...]] = {
    "linear1": ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"),
    "linear2": ("proj_out",),
    "modulation_lin": ("norm.linear",),
}
_NAME = re.compile(r"transformer\.(single_)?transformer_blocks\.(\d+)\.(.+)\.lora_([AB])\.weight")
_MLP_RATIO = 4
"""Width of a single block's MLP over the model's: the same in every FLUX."""


def to_kohya(tensors: Tensors, alpha: float) -> Tensors:
    """Every pair of matrices under its fused name, with alpha beside it."""
    import torch

    blocks = _by_block(tensors)
    converted: Tensors = {}
    for (single, index), layers in sorted(blocks.items()):
        prefix = f"lora_unet_{'single' if single else 'double'}_blocks_{index}_"
        for fused, parts in (_SINGLE if single else _DOUBLE).items():
            present = [part for part in parts if part in layers]
            if not present:
                continue
            rank, width = layers[present[0]]["A"].shape
            pairs = [layers.get(part) or _absent(part, layers[present[0]], rank, width) for part in parts]
            converted[f"{prefix}{fused}.lora_down.weight"] = torch.cat([pair["A"] for pair in pairs])
            converted[f"{prefix}{fused}.lora_up.weight"] = torch.block_diag(*(pair["B"] for pair in pairs))
            converted[f"{prefix}{fused}.alpha"] = torch.tensor(float(alpha) * len(parts))
    return converted


def from_kohya(tensors: Tensors) -> Tensors:
    """The matrices that `to_kohya` was given, bit for bit."""
    restored: Tensors = {}
    for name, down in tensors.items():
        if not name.endswith(".lora_down.weight"):
            continue
        stem = name.removesuffix(".lora_down.weight")
        match = re.fullmatch(r"lora_unet_(single|double)_blocks_(\d+)_(.+)", stem)
        if match is None:
            raise TrainerError("BadData", f"Expected a FLUX block in the kohya file, got `{name}`.")
        kind, index, fused = match.groups()
        parts = (_SINGLE if kind == "single" else _DOUBLE)[fused]
        up = tensors[f"{stem}.lora_up.weight"]
        rank = down.shape[0] // len(parts)
        rows = 0
        for place, part in enumerate(parts):
            size = _rows(part, up.shape[0], len(parts))
            columns = slice(place * rank, (place + 1) * rank)
            a, b = down[columns].contiguous(), up[rows : rows + size, columns].contiguous()
            rows += size
            if part == "proj_mlp" and not a.any() and not b.any():
                continue
            block = f"transformer.{'single_' if kind == 'single' else ''}transformer_blocks.{index}.{part}"
            restored[f"{block}.lora_A.weight"] = a
            restored[f"{block}.lora_B.weight"] = b
    return restored


def _by_block(tensors: Tensors) -> dict[tuple[bool, int], dict[str, Tensors]]:
    blocks: dict[tuple[bool, int], dict[str, Tensors]] = {}
    known = {part for parts in (*_DOUBLE.values(), *_SINGLE.values()) for part in parts}
    for name, tensor in tensors.items():
        match = _NAME.fullmatch(name)
        if match is None or match.group(3) not in known:
            raise TrainerError("BadData", f"Expected LoRA matrices of FLUX's blocks in the adapter, got `{name}`.")
        single, index, layer, side = match.groups()
        blocks.setdefault((bool(single), int(index)), {}).setdefault(layer, {})[side] = tensor
    return blocks


def _absent(part: str, like: Tensors, rank: int, width: int) -> Tensors:
    """A layer without a LoRA inside a fused one that has some: a pair of zeros."""
    rows = width * _MLP_RATIO if part == "proj_mlp" else like["B"].shape[0]
    return {"A": like["A"].new_zeros(rank, width), "B": like["B"].new_zeros(rows, rank)}


def _rows(part: str, total: int, parts: int) -> int:
    """Output rows of a part of a fused layer of `total` rows."""
    if parts != len(_SINGLE["linear1"]):
        return total // parts
    return total * (_MLP_RATIO if part == "proj_mlp" else 1) // (3 + _MLP_RATIO)
