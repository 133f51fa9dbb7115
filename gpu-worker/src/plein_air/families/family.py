"""What a family of base models provides: everything else in the trainer knows its bases by this interface alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from plein_air.loading import LoadOptions

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

Part = Literal["vae", "text", "transformer"]

Targets = Literal["attention", "attention+feed-forward", "all-linear"]
"""Presets of `training.targets`."""

Embeddings = tuple["torch.Tensor", "torch.Tensor"]
"""A prompt as the transformer takes it: sequence (tokens, width) and pooled vector (width,)."""

Grid = tuple[int, int]
"""Rows and columns of packed latents."""

Velocity = Callable[["torch.Tensor", "torch.Tensor", "torch.Tensor", "torch.Tensor", Grid], "torch.Tensor"]
"""Predicted velocity (n, tokens, channels), fp32, of packed latents (n, tokens, channels) at noise levels (n,), given text
sequences (n, text tokens, width) and pooled vectors (n, width)."""

Generate = Callable[..., "NDArray[np.float32]"]
"""Images (n, size, size, 3) in 0 to 1, from keyword arguments `embeddings` (one pair each), `generators` (one each), `size`,
`steps`, `guidance` and, where wanted, `on_step`, called after every denoising step."""


class Base(Protocol):
    """Components of one base folder, frozen, in eval mode, each loaded when first asked for."""

    path: Path
    options: LoadOptions
    device: torch.device
    family: str
    """The family's name, part of a training's fingerprint."""

    def transformer(self) -> Any:
        """The transformer as `options` say, without adapters."""
        ...

    def blocks(self) -> list[Any]:
        """Its transformer blocks, in the order of the forward pass."""
        ...

    def velocity(self, guidance: float) -> Velocity:
        """What training fits: the transformer's prediction, with this guidance where the model takes one."""
        ...

    def target_layers(self, preset: Targets) -> re.Pattern[str]:
        """Full names of the linear layers that a preset of `training.targets` adapts."""
        ...

    def pack(self, latents: torch.Tensor) -> tuple[torch.Tensor, Grid]:
        """Latents (n, channels, h, w) as the VAE encodes them, normalized and packed: (n, tokens, channels)."""
        ...

    def tokens(self, width: int, height: int) -> int:
        """Packed latents of an image of so many pixels."""
        ...

    def scheduler_config(self) -> dict[str, Any]:
        """Settings of the base's noise scheduler."""
        ...

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        """Latents (channels, h, w) of pixels (3, height, width) in -1 to 1, on the device."""
        ...

    def encode_prompt(self, prompt: str) -> Embeddings:
        """Embeddings of a prompt, on the device."""
        ...

    def text_dtype(self) -> torch.dtype:
        """The type that the text encoders compute in."""
        ...

    def generator(self, adapter: Path | None = None, scale: float = 1.0) -> AbstractContextManager[Generate]:
        """Generates images as a user of the pipeline would, with the LoRA of a file loaded meanwhile."""
        ...

    def release(self, *parts: Part) -> None:
        """Frees components; they load again when next asked for."""
        ...

    def part_sha256(self, part: Part) -> str:
        """Content address of a component's files."""
        ...

    def quantized_transformer(
        self, folder: Path, options: LoadOptions, on_weight: Callable[[int], None]
    ) -> tuple[Any, list[str]]:
        """The transformer in `folder` with its blocks quantized, and the names of linear layers that stay plain."""
        ...


class Family(Protocol):
    """A family's package, as `families.named` gives it."""

    ADAPTER_METADATA: Mapping[str, str]
    """What the header of an adapter in kohya's naming says about the base it belongs to."""

    def open_base(self, path: Path, options: LoadOptions, device: torch.device, components: dict[Any, Any]) -> Base:
        """A base of this family, loaded into the session's `components` part by part."""
        ...

    def to_kohya(self, tensors: Mapping[str, torch.Tensor], alpha: float) -> dict[str, torch.Tensor]:
        """An adapter's tensors by the names that ComfyUI and sd-scripts know."""
        ...
