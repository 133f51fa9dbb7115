"""The optimizers over named tensors, whose state goes to a file and back without loss."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, assert_never

from plein_air.errors import TrainerError
from plein_air.training.adapter import copy_named
from plein_air.training.settings import OptimizerName, Training

if TYPE_CHECKING:
    import torch

_MOMENTS: dict[OptimizerName, tuple[str, ...]] = {
    "adamw": ("exp_avg", "exp_avg_sq"),
    "adamw-8bit": ("state1", "state2", "absmax1", "absmax2"),
    "prodigy": ("s", "p0", "exp_avg", "exp_avg_sq"),
}
_PRODIGY_SCALARS = ("d", "d_max", "d_numerator", "d_denom", "d_hat", "k")
"""What Prodigy knows about all parameters together."""


class Optimizer:
    """AdamW with fp32 moments, AdamW with 8 bit moments, or Prodigy."""

    def __init__(self, parameters: dict[str, torch.nn.Parameter], training: Training) -> None:
        """Creates the moments at once, so that a saved state always has every tensor."""
        self._parameters = parameters
        self._kind: OptimizerName = training.optimizer
        self._optimizer: Any = _create(self._kind, list(parameters.values()), training)

    def step(self, learning_rate: float) -> None:
        """One update; gradients are dropped after it."""
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)

    def clip(self, limit: float, loss_scale: float) -> float | None:
        """Unscales and clips the gradients; their norm before clipping, or None where it is not finite. 0: no limit."""
        import torch

        gradients = [p.grad for p in self._parameters.values() if p.grad is not None]
        if loss_scale != 1:
            torch._foreach_div_(gradients, loss_scale)
        norm = float(torch.nn.utils.get_total_norm(gradients, foreach=True))
        if not math.isfinite(norm):
            return None
        if 0 < limit < norm:
            torch._foreach_mul_(gradients, limit / (norm + 1e-6))
        return norm

    def effective_rate(self, learning_rate: float) -> float:
        """The rate that a step is really taken at: under Prodigy the factor times what it has found."""
        return learning_rate * float(self._optimizer.param_groups[0].get("d", 1.0))

    def tensors(self) -> dict[str, torch.Tensor]:
        """The moments by parameter name."""
        return {
            f"{name}.{moment}": self._optimizer.state[parameter][moment]
            for name, parameter in self._parameters.items()
            for moment in _MOMENTS[self._kind]
            if moment in self._optimizer.state[parameter]
        }

    def scalars(self) -> dict[str, float]:
        """Numbers that belong to all parameters together; read back by `load`."""
        group = self._optimizer.param_groups[0]
        return {name: float(group[name]) for name in _PRODIGY_SCALARS if name in group}

    def load(self, tensors: dict[str, torch.Tensor], scalars: dict[str, float], steps: int) -> None:
        """Restores the state of a checkpoint made after `steps` updates."""
        copy_named(tensors, self.tensors(), "optimizer")
        for parameter in self._parameters.values():
            state = self._optimizer.state[parameter]
            if self._kind == "adamw":
                state["step"].fill_(steps)
            else:
                state["step"] = steps
        for group in self._optimizer.param_groups:
            group.update({name: int(value) if name == "k" else value for name, value in scalars.items()})


def _create(kind: OptimizerName, parameters: list[torch.nn.Parameter], training: Training) -> Any:
    match kind:
        case "adamw":
            return _adamw(parameters, training)
        case "adamw-8bit":
            return _adamw_8bit(parameters, training)
        case "prodigy":
            return _prodigy(parameters, training)
        case _:
            assert_never(kind)


def _adamw(parameters: list[torch.nn.Parameter], training: Training) -> Any:
    import torch

    optimizer = torch.optim.AdamW(
        parameters,
        lr=training.learning_rate,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=training.weight_decay,
        fused=True,
    )
    for parameter in parameters:
        optimizer.state[parameter] = {
            "step": torch.tensor(0.0, device=parameter.device),
            "exp_avg": torch.zeros_like(parameter),
            "exp_avg_sq": torch.zeros_like(parameter),
        }
    return optimizer


def _adamw_8bit(parameters: list[torch.nn.Parameter], training: Training) -> Any:
    try:
        from bitsandbytes.optim import AdamW8bit
    except ImportError as error:
        raise _absent("adamw-8bit", "bitsandbytes", error) from error
    optimizer = AdamW8bit(parameters, lr=training.learning_rate, weight_decay=training.weight_decay)
    optimizer.check_overrides()
    optimizer.initialized = True
    for index, parameter in enumerate(parameters):
        optimizer.init_state(optimizer.param_groups[0], parameter, 0, index)
    return optimizer


def _prodigy(parameters: list[torch.nn.Parameter], training: Training) -> Any:
    import logging

    import torch

    try:
        from prodigyopt import Prodigy
    except ImportError as error:
        raise _absent("prodigy", "prodigyopt", error) from error
    logging.getLogger("prodigyopt").setLevel(logging.WARNING)
    create: Any = Prodigy
    optimizer = create(parameters, lr=training.learning_rate, weight_decay=training.weight_decay, slice_p=1)
    for group in optimizer.param_groups:
        group.setdefault("d_hat", group["d"])
        group.setdefault("d_denom", 0.0)
    for parameter in parameters:
        # As Prodigy does at its first step, except that `p0` is kept in full where a matrix starts at zero.
        optimizer.state[parameter] = {
            "step": 0,
            "s": torch.zeros_like(parameter.data.flatten()),
            "p0": parameter.data.flatten().detach().clone(),
            "exp_avg": torch.zeros_like(parameter.data),
            "exp_avg_sq": torch.zeros_like(parameter.data),
        }
    return optimizer


def _absent(asked: str, package: str, error: ImportError) -> TrainerError:
    return TrainerError(
        "InvalidInput",
        f"Expected the package {package} for training.optimizer {asked!r}, got: {error}. "
        "Install gpu-worker/requirements-gpu.lock.",
        {"field": "training.optimizer", "package": package},
    )
