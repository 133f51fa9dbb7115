"""Optuna's median rule: a trial goes on while its best figure beats the median of the whole trials at the same step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from plein_air.tuning.rungs import Ladder


@dataclass(frozen=True)
class Options:
    """When the rule sets in, and how often it is applied."""

    startup_trials: int = 4
    """Whole trials before any trial is stopped."""
    rungs: int = 4
    """Looks at a trial, evenly spaced, the last at its end."""


def rungs(steps: int, options: Options) -> list[int]:
    """Evenly spaced."""
    return sorted({max(1, round(steps * (k + 1) / options.rungs)) for k in range(options.rungs)})


def may_go_on(ladder: Ladder, options: Options) -> list[Mapping[str, Any]]:
    """Of each rung the trials that the rule lets pass, the highest rung first."""
    from optuna.pruners import MedianPruner

    waiting = ladder.waiting()
    if not waiting:
        return []
    pruner = MedianPruner(n_startup_trials=options.startup_trials)
    study, frozen = ladder.optuna_study(lambda rung: ladder.steps[rung], lambda trial, values: {})
    return [t for rung in waiting.values() for t in rung if not pruner.prune(study, frozen[int(t["number"])])]
