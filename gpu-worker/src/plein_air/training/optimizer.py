"""AdamW over named tensors, whose state goes to a file and back without loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plein_air.training.adapter import copy_named
from plein_air.training.settings import Training

if TYPE_CHECKING:
    import torch

_MOMENTS = ("exp_avg", "exp_avg_sq")


class Optimizer:
    """torch's AdamW, foreach, with fp32 moments."""

    def __init__(self, parameters: dict[str, torch.nn.Parameter], training: Training) -> None:
        """Creates the moments at once, so that a saved state always has every tensor."""
        import torch

        self._parameters = parameters
        self._adamw = torch.optim.AdamW(
            list(parameters.values()),
            lr=training.learning_rate,
            betas=(0.9, 0.999),
            eps=1e-8,
            weight_decay=training.weight_decay,
            foreach=True,
            fused=False,
        )
        for parameter in parameters.values():
            self._adamw.state[parameter] = {
                "step": torch.tensor(0.0),
                "exp_avg": torch.zeros_like(parameter),
                "exp_avg_sq": torch.zeros_like(parameter),
            }

    def step(self, learning_rate: float) -> None:
        """One update; gradients are dropped after it."""
        for group in self._adamw.param_groups:
            group["lr"] = learning_rate
        self._adamw.step()
        self._adamw.zero_grad(set_to_none=True)

    def tensors(self) -> dict[str, torch.Tensor]:
        """The moments by parameter name."""
        return {
            f"{name}.{moment}": self._adamw.state[parameter][moment]
            for name, parameter in self._parameters.items()
            for moment in _MOMENTS
        }

    def load(self, tensors: dict[str, torch.Tensor], steps: int) -> None:
        """Takes up the moments of a checkpoint made after `steps` updates."""
        copy_named(tensors, self.tensors(), "optimizer")
        for parameter in self._parameters.values():
            self._adamw.state[parameter]["step"].fill_(float(steps))
