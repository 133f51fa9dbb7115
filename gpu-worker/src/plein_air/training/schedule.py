"""Learning rate and noise level: pure functions of the step and of one draw."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, assert_never

from plein_air.training.settings import Schedule, Timesteps

_NORMAL = NormalDist()


def learning_rate(step: int, *, peak: float, schedule: Schedule, warmup_steps: int, schedule_steps: int) -> float:
    """Learning rate of an optimizer step counted from 0: linear warm-up, then the schedule.

    Cosine, linear and rex (which stays high for longer) come down to 0; inverse-sqrt falls with the root of the step.
    """
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    done = min(1.0, (step - warmup_steps) / max(1, schedule_steps - warmup_steps))
    match schedule:
        case "constant":
            return peak
        case "linear":
            return peak * (1 - done)
        case "cosine":
            return peak * 0.5 * (1 + math.cos(math.pi * done))
        case "inverse-sqrt":
            return peak * min(1.0, math.sqrt(max(1, warmup_steps) / (step + 1)))
        case "rex":
            return peak * (1 - done) / (1 - done / 2)
        case _:
            assert_never(schedule)


@dataclass(frozen=True)
class SigmaShift:
    """How the base's scheduler shifts noise levels: by resolution (FLUX.1-dev) or by a constant."""

    dynamic: bool
    shift: float
    base_tokens: int
    max_tokens: int
    base_shift: float
    max_shift: float

    @classmethod
    def from_scheduler(cls, config: dict[str, Any]) -> SigmaShift:
        """Reads a FlowMatchEulerDiscreteScheduler's settings; that class's own defaults where one is missing."""
        return cls(
            dynamic=bool(config.get("use_dynamic_shifting", False)),
            shift=float(config.get("shift", 1.0)),
            base_tokens=int(config.get("base_image_seq_len", 256)),
            max_tokens=int(config.get("max_image_seq_len", 4096)),
            base_shift=float(config.get("base_shift", 0.5)),
            max_shift=float(config.get("max_shift", 1.15)),
        )

    def apply(self, sigma: float, tokens: int) -> float:
        """The noise level after the shift; `tokens` are the picture's packed latents."""
        if not self.dynamic:
            return self.shift * sigma / (1 + (self.shift - 1) * sigma)
        slope = (self.max_shift - self.base_shift) / (self.max_tokens - self.base_tokens)
        factor = math.exp(self.base_shift + slope * (tokens - self.base_tokens))
        return factor / (factor + (1 / sigma - 1))


def sigma_at(quantile: float, distribution: Timesteps) -> float:
    """Noise level in (0, 1) at a quantile of the distribution, before the shift; logit-normal(0, 1)."""
    match distribution:
        case "uniform":
            return quantile
        case "logit-normal":
            return 1 / (1 + math.exp(-_NORMAL.inv_cdf(quantile)))
        case _:
            assert_never(distribution)
