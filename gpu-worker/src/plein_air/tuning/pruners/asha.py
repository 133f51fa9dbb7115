"""Asynchronous successive halving with trials that wait: the best of each rung go on, also long after they stopped there.

Optuna's own rule decides. It cannot hold trials, so that it lets the first ones of a rung pass unseen; here they wait until
the rung has as many as the reduction factor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from plein_air.tuning.rungs import Ladder, geometric, halving_notes


@dataclass(frozen=True)
class Options:
    """The shape of the ladder."""

    reduction_factor: int = 3
    """Of so many trials at a rung the best one goes on."""
    min_steps: int | None = None
    """Lowest rung; None: the last step divided by the factor twice."""


def rungs(steps: int, options: Options) -> list[int]:
    """Growing by the factor."""
    return geometric(steps, options.reduction_factor, options.min_steps)


def may_go_on(ladder: Ladder, options: Options) -> list[Mapping[str, Any]]:
    """The best that waits at each rung, where the rung is large enough for it; the highest rung first."""
    from optuna.pruners import SuccessiveHalvingPruner

    waiting = ladder.waiting()
    if not waiting:
        return []
    factor = options.reduction_factor
    # Rungs are given to Optuna as powers of the factor, which our last one need not be.
    pruner = SuccessiveHalvingPruner(min_resource=1, reduction_factor=factor, bootstrap_count=factor - 1)
    going: list[Mapping[str, Any]] = []
    for rung, (best, *_) in waiting.items():
        study, frozen = ladder.optuna_study(
            lambda k: factor**k,
            lambda trial, values, at=rung, of=best: halving_notes(values, without=at if trial is of else None),
        )
        if not pruner.prune(study, frozen[int(best["number"])]):
            going.append(best)
    return going
