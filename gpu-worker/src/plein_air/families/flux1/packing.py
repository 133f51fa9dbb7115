"""Latents as the transformer takes them: tokens of 2x2 patches with their positions."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

PIXELS = 16
"""Pixels a side of a token: the VAE makes 8 of them one latent, packing 2 latents one token."""


def pack_latents(latents: torch.Tensor) -> torch.Tensor:
    """(n, channels, height, width) to (n, height/2 * width/2, channels * 4), each token a 2x2 patch, as FluxPipeline packs."""
    count, channels, height, width = latents.shape
    patches = latents.view(count, channels, height // 2, 2, width // 2, 2).permute(0, 2, 4, 1, 3, 5)
    return patches.reshape(count, (height // 2) * (width // 2), channels * 4)


def image_ids(rows: int, columns: int, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """Positions of the packed latents: (rows * columns, 3), each [0, row, column]."""
    import torch

    ids = torch.zeros(rows, columns, 3, device=device, dtype=dtype)
    ids[..., 1] += torch.arange(rows, device=device, dtype=dtype)[:, None]
    ids[..., 2] += torch.arange(columns, device=device, dtype=dtype)[None, :]
    return ids.view(rows * columns, 3)
