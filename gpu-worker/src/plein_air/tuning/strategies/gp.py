"""Gaussian processes: one for each goal, and one for each constraint, broken by infeasible trials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from plein_air.tuning.ask import Ask, Trial, report_at
from plein_air.tuning.first_points import sobol


@dataclass(frozen=True)
class Options:
    """A study has only 5 to 20 trials: a model takes over early."""

    first_points: int = 3
    """Sobol points after the default."""
    window: int = 150
    """Trials that are modeled at most: fitting costs their cube."""


def suggest(ask: Ask, options: Options) -> dict[str, Any] | None:
    """The point of highest expected improvement, or a Sobol point while there is too little to model."""
    if len(ask.trials) <= options.first_points or ask.finished == 0:
        return sobol(ask)
    from optuna.samplers import GPSampler  # imports torch, which the other strategies never do

    return ask.from_optuna(
        GPSampler(seed=ask.seed, n_startup_trials=0, warn_independent_sampling=False), _window(ask, options.window)
    )


def _window(ask: Ask, size: int) -> list[Trial]:
    """All trials, or of more than `size` the better half by the first goal and the newest for the rest."""
    if len(ask.trials) <= size:
        return list(ask.trials)

    def value(trial: Trial) -> float:
        report = report_at(trial, ask.fidelity)
        return report["values"][0] if report else float("inf")

    best = sorted(ask.trials, key=lambda trial: (value(trial), trial["number"]))[: size // 2]
    chosen = {trial["number"] for trial in best}
    newest = [trial for trial in reversed(ask.trials) if trial["number"] not in chosen][: size - len(best)]
    chosen |= {trial["number"] for trial in newest}
    return [trial for trial in ask.trials if trial["number"] in chosen]
