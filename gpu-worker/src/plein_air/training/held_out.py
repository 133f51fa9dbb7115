"""The held-out loss: the same pictures, noise levels and noise every time, whatever is being trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from plein_air.dataset.choices import Choice
from plein_air.dataset.needs import MAX_HELD_OUT, measured_ids
from plein_air.training.objective import Objective, noise_for
from plein_air.training.samples import Samples
from plein_air.training.schedule import SigmaShift, sigma_at

if TYPE_CHECKING:
    import torch

STRATA = 8
"""Noise levels a picture: the middles of equal parts of the logit-normal distribution."""
_SEED = 0
"""Not the run's: losses of runs with different seeds must be comparable."""


class HeldOut:
    """Measures the mean loss over fixed pictures and noise levels."""

    def __init__(
        self, samples: Samples, objective: Objective, shift: SigmaShift, batch_size: int, most: int = MAX_HELD_OUT
    ) -> None:
        """Chooses the pictures; their noise is drawn again at each measurement, which costs less than keeping it.

        Args:
            samples: A split's pictures.
            objective: What is measured.
            shift: Of the noise levels.
            batch_size: Noise levels at once: the training's own batch, so that measuring takes no more memory than a step.
            most: Pictures measured at most.
        """
        self._batch_size = batch_size
        self._samples = samples
        self._objective = objective
        self._shift = shift
        self._ids = measured_ids(samples.pictures, most)
        self.losses: list[float] = []
        """Mean loss of each picture in the last measurement, in a fixed order: what two checkpoints are compared by."""
        self.error: float | None = None
        """Standard error of the last measurement over its pictures; None with fewer than two."""

    def measure(self, on_picture: Callable[[], None] = lambda: None) -> float:
        """Mean loss; touches no gradient and no random state. `on_picture` is called after each of them."""
        import torch

        sums: list[float] = []
        with torch.no_grad():
            for sample_id in self._ids:
                sums.append(float(self._losses(sample_id).double().sum()))
                on_picture()
        self.losses = [one / STRATA for one in sums]
        count = len(sums)
        mean = sum(sums) / (count * STRATA)
        squares = sum((one / STRATA - mean) ** 2 for one in sums)
        self.error = (squares / (count - 1) / count) ** 0.5 if count > 1 else None
        return mean

    def _losses(self, sample_id: str) -> torch.Tensor:
        """Loss at each noise level, shape (STRATA,)."""
        import torch

        levels = range(STRATA)
        slices = [levels[start : start + self._batch_size] for start in range(0, STRATA, self._batch_size)]
        return torch.cat([self._losses_at(sample_id, part) for part in slices])

    def _losses_at(self, sample_id: str, levels: range) -> torch.Tensor:
        import torch

        picture = self._samples.pictures[sample_id]
        batch = self._samples.batch([Choice(sample_id)] * len(levels))
        tokens = self._samples.tokens(f"{picture.width}x{picture.height}")
        sigmas = [self._shift.apply(sigma_at((k + 0.5) / STRATA, "logit-normal"), tokens) for k in levels]
        shape = (tokens, batch.latents.shape[2])
        noise = torch.stack([noise_for(shape, _SEED, "held-out", sample_id, k) for k in levels])
        return self._objective.losses(batch, sigmas, noise.to(batch.latents.device))
