"""Tree-structured Parzen estimators over all dimensions together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from plein_air.tuning.ask import Ask
from plein_air.tuning.first_points import sobol


@dataclass(frozen=True)
class Options:
    """A study has only 5 to 20 trials: a model takes over early."""

    first_points: int = 3
    """Sobol points after the default."""
    candidates: int = 24
    """Draws from the good trials' density, of which the best ratio is taken."""


def suggest(ask: Ask, options: Options) -> dict[str, Any] | None:
    """The model's choice, or a Sobol point while there is too little to model."""
    if len(ask.trials) <= options.first_points or ask.finished == 0:
        return sobol(ask)
    from optuna.samplers import TPESampler

    return ask.from_optuna(
        TPESampler(seed=ask.seed, n_startup_trials=0, multivariate=True, n_ei_candidates=options.candidates)
    )
