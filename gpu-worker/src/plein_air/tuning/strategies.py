"""The strategies by name: what each one asks of Optuna for the trial after a given history. A new one is an entry here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

FIRST_POINTS = 3
"""Sobol points after the default, before a strategy with a model trusts it: a study has only 5 to 20 trials."""


@dataclass(frozen=True)
class Ask:
    """What a strategy may know: a seed of this ask, one of the study, how many trials came before and how many finished."""

    seed: int
    study_seed: int
    asked: int
    finished: int


def _random(ask: Ask) -> BaseSampler:
    from optuna.samplers import RandomSampler

    return RandomSampler(seed=ask.seed)


def _sobol(ask: Ask) -> BaseSampler:
    from optuna.samplers import QMCSampler

    # One scrambled sequence for the whole study: its points are spread only against each other.
    return QMCSampler(qmc_type="sobol", scramble=True, seed=ask.study_seed, warn_independent_sampling=False)


def _too_early_for_a_model(ask: Ask) -> bool:
    return ask.asked <= FIRST_POINTS or ask.finished == 0


def _tpe(ask: Ask) -> BaseSampler:
    if _too_early_for_a_model(ask):
        return _sobol(ask)
    from optuna.samplers import TPESampler

    return TPESampler(seed=ask.seed, n_startup_trials=0, multivariate=True)


def _gp(ask: Ask) -> BaseSampler:
    if _too_early_for_a_model(ask):
        return _sobol(ask)
    from optuna.samplers import GPSampler  # imports torch, which the other strategies never do

    return GPSampler(seed=ask.seed, n_startup_trials=0)


STRATEGIES: Mapping[str, Callable[[Ask], BaseSampler]] = {
    "random": _random,
    "sobol": _sobol,
    "tpe": _tpe,
    "gp": _gp,
}
"""Every strategy but `fixed`, which asks for the default each time."""
