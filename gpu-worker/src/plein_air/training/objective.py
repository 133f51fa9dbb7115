"""The flow-matching loss: what the transformer predicts against the velocity from picture to noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plein_air.training.randomness import draw
from plein_air.training.samples import Batch, image_ids

if TYPE_CHECKING:
    import torch


class Objective:
    """Loss of batches under one transformer."""

    def __init__(self, transformer: Any, guidance: float) -> None:
        """Keeps what is the same for every batch of a size."""
        self._transformer = transformer
        self._guidance = guidance
        # Read once: the model looks through all of its parameters to tell.
        self._dtype: torch.dtype = transformer.dtype
        self._ids: dict[tuple[int, int, int], tuple[torch.Tensor, torch.Tensor]] = {}

    def losses(self, batch: Batch, sigmas: list[float], noise: torch.Tensor) -> torch.Tensor:
        """Mean squared error of each sample, fp32: x_t = (1 - sigma) x_0 + sigma noise, target noise - x_0."""
        import torch

        dtype = self._dtype
        device = batch.latents.device
        sigma = torch.tensor(sigmas, dtype=torch.float32, device=device)
        level = sigma[:, None, None]
        img_ids, txt_ids = self._positions(batch)
        guidance = None
        if self._transformer.config.guidance_embeds:
            guidance = torch.full((len(sigmas),), self._guidance, dtype=dtype, device=device)
        predicted = self._transformer(
            hidden_states=((1 - level) * batch.latents + level * noise).to(dtype),
            # The model multiplies by 1000 again: this is diffusers' timestep / 1000.
            timestep=sigma.to(dtype),
            guidance=guidance,
            pooled_projections=batch.pooled.to(dtype),
            encoder_hidden_states=batch.sequence.to(dtype),
            txt_ids=txt_ids,
            img_ids=img_ids,
            return_dict=False,
        )[0]
        return (predicted.float() - (noise - batch.latents)).square().mean(dim=(1, 2))

    def _positions(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        import torch

        key = (batch.rows, batch.columns, batch.sequence.shape[1])
        if key not in self._ids:
            device, dtype = batch.latents.device, self._dtype
            self._ids[key] = (
                image_ids(batch.rows, batch.columns, device, dtype),
                torch.zeros(key[2], 3, device=device, dtype=dtype),
            )
        return self._ids[key]


def noise_for(shape: tuple[int, int], seed: int, *what: str | int) -> torch.Tensor:
    """Standard normal noise (tokens, channels) that belongs to this seed and purpose; drawn on the CPU on every machine."""
    import torch

    return torch.randn(shape, generator=torch.Generator().manual_seed(draw(seed, "noise", *what)))
