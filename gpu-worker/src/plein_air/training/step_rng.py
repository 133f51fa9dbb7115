"""What chance decides about a micro-step: a function of seed, micro-step, slot and sample id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plein_air.randomness import uniform
from plein_air.training.objective import noise_for
from plein_air.training.schedule import SigmaShift, sigma_at
from plein_air.training.settings import Training

if TYPE_CHECKING:
    import torch


def sigma_of(settings: Training, micro_step: int, slot: int, sample_id: str, shift: SigmaShift, tokens: int) -> float:
    """A sample's noise level, shifted for its size."""
    return shift.apply(
        sigma_at(uniform(settings.seed, "sigma", micro_step, slot, sample_id), settings.timesteps), tokens
    )


def noise_of(settings: Training, micro_step: int, ids: tuple[str, ...], shape: tuple[int, int]) -> torch.Tensor:
    """Noise of every sample: (samples, tokens, channels), on the CPU."""
    import torch

    return torch.stack(
        [noise_for(shape, settings.seed, micro_step, slot, sample_id) for slot, sample_id in enumerate(ids)]
    )
