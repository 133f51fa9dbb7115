"""The flow-matching loss: what the transformer predicts against the velocity from picture to noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plein_air.randomness import draw
from plein_air.training.samples import Batch

if TYPE_CHECKING:
    import torch

    from plein_air.families.family import Velocity


class Objective:
    """Loss of batches under one transformer."""

    def __init__(self, velocity: Velocity) -> None:
        """Keeps what predicts."""
        self._velocity = velocity

    def losses(self, batch: Batch, sigmas: list[float], noise: torch.Tensor) -> torch.Tensor:
        """Mean squared error of each sample, fp32: x_t = (1 - sigma) x_0 + sigma noise, target noise - x_0."""
        import torch

        sigma = torch.tensor(sigmas, dtype=torch.float32, device=batch.latents.device)
        level = sigma[:, None, None]
        noisy = (1 - level) * batch.latents + level * noise
        predicted = self._velocity(noisy, sigma, batch.sequence, batch.pooled, batch.grid)
        return (predicted - (noise - batch.latents)).square().mean(dim=(1, 2))


def noise_for(shape: tuple[int, int], seed: int, *what: str | int) -> torch.Tensor:
    """Standard normal noise (tokens, channels) that belongs to this seed and purpose; drawn on the CPU on every machine."""
    import torch

    return torch.randn(shape, generator=torch.Generator().manual_seed(draw(seed, "noise", *what)))
