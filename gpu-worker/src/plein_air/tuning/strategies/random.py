"""Independent draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from plein_air.tuning.ask import Ask


@dataclass(frozen=True)
class Options:
    """None."""


def suggest(ask: Ask, options: Options) -> dict[str, Any] | None:
    """A draw that depends on seed and number alone."""
    del options
    from optuna.samplers import RandomSampler

    return ask.from_optuna(RandomSampler(seed=ask.seed), keep=())
