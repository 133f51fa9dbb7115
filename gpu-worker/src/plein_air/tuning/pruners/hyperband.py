"""Hyperband: ASHA in brackets whose trials start at different rungs, in case early figures mislead.

Optuna decides which bracket a trial belongs to, by its number, and which trials of a bracket go on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from plein_air.tuning.rungs import Ladder, geometric, halving_notes

if TYPE_CHECKING:
    from optuna.pruners import HyperbandPruner
    from optuna.study import Study


@dataclass(frozen=True)
class Options:
    """The shape of the ladder."""

    reduction_factor: int = 3
    """Of so many trials at a rung of a bracket the best one goes on."""
    min_steps: int | None = None
    """Lowest rung; None: the last step divided by the factor twice."""


def rungs(steps: int, options: Options) -> list[int]:
    """Growing by the factor."""
    return geometric(steps, options.reduction_factor, options.min_steps)


def starts_at(number: int, ladder: Ladder, options: Options) -> int:
    """Index of the first rung at which a trial stops: its bracket."""
    pruner, study = _pruner(ladder, options)
    return _bracket(pruner, study, number)


def may_go_on(ladder: Ladder, options: Options) -> list[Mapping[str, Any]]:
    """The best that waits at each rung of each bracket, where there are enough; the highest rung first."""
    factor = options.reduction_factor
    pruner, of_brackets = _pruner(ladder, options)
    bracket = {int(t["number"]): _bracket(pruner, of_brackets, int(t["number"])) for t in ladder.trials}
    going: list[Mapping[str, Any]] = []
    for rung, trials in ladder.waiting().items():
        for own in sorted(set(bracket.values())):
            best = next((t for t in trials if bracket[int(t["number"])] == own), None)
            if best is None:
                continue
            study, frozen = ladder.optuna_study(
                lambda k: factor**k,
                lambda trial, values, at=rung, of=best: halving_notes(
                    values, bracket[int(trial["number"])], without=at if trial is of else None
                ),
            )
            if not pruner.prune(study, frozen[int(best["number"])]):
                going.append(best)
    return going


def _pruner(ladder: Ladder, options: Options) -> tuple[HyperbandPruner, Study]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    factor = options.reduction_factor
    pruner = optuna.pruners.HyperbandPruner(
        min_resource=1,
        max_resource=factor ** (len(ladder.steps) - 1),
        reduction_factor=factor,
        bootstrap_count=factor - 1,
    )
    study = optuna.create_study(direction="minimize", study_name="plein-air")
    pruner._try_initialization(study)  # pyright: ignore[reportPrivateUsage]
    return pruner, study


def _bracket(pruner: HyperbandPruner, study: Study, number: int) -> int:
    import optuna

    trial = optuna.create_trial(state=optuna.trial.TrialState.RUNNING)
    trial.number = number
    return pruner._get_bracket_id(study, trial)  # pyright: ignore[reportPrivateUsage]
