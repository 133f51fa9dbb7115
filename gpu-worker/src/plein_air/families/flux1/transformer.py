"""FLUX.1's transformer: its blocks, an empty one to fill with weights, and its residual stream in fp16."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

CLASS = "FluxTransformer2DModel"
BLOCKS = "transformer_blocks."
"""Part of the name of everything inside a block, double or single."""
_FP16_MAX = 65504.0


def blocks_of(transformer: Any) -> list[Any]:
    """Double blocks, then single ones."""
    return [*transformer.transformer_blocks, *transformer.single_transformer_blocks]


def empty_transformer(folder: Path) -> Any:
    """The transformer of a folder's config.json on the meta device, without weights."""
    from accelerate import init_empty_weights
    from diffusers import FluxTransformer2DModel

    config = {k: v for k, v in json.loads((folder / "config.json").read_text()).items() if k != "quantization_config"}
    with init_empty_weights():
        return FluxTransformer2DModel.from_config(config)


def clip_activations(transformer: Any) -> None:
    """Keeps what double blocks hand on within fp16: FLUX's residual stream outgrows it, and an infinity never heals.

    diffusers clips the text stream and the single blocks by itself.
    """
    for block in transformer.transformer_blocks:
        block.register_forward_hook(_clipped)


def _clipped(_block: Any, _args: Any, outputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return tuple(output.clip(-_FP16_MAX, _FP16_MAX) for output in outputs)
