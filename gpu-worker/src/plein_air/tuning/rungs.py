"""Trials at their rungs, as pruners see them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial


StepOf = Callable[[int], int]
Attributes = Callable[[Mapping[str, Any], Mapping[int, float]], dict[str, Any]]


@dataclass(frozen=True)
class Ladder:
    """A study's rungs and who stands where."""

    steps: Sequence[int]
    """Ascending; the last one is of whole trials."""
    trials: Sequence[Mapping[str, Any]]

    def standing(self, trial: Mapping[str, Any]) -> int | None:
        """Index of the highest rung that a trial has figures of; None: none yet, or it failed."""
        if trial["state"] == "infeasible" or not trial["reports"]:
            return None
        last = trial["reports"][-1]["step"]
        return max((index for index, step in enumerate(self.steps) if step <= last), default=None)

    def waiting(self) -> dict[int, list[Mapping[str, Any]]]:
        """Trials that wait, by rung, the highest first; within a rung the best first, those that break limits last."""
        found: dict[int, list[Mapping[str, Any]]] = {}
        for trial in self.trials:
            rung = self.standing(trial)
            if trial["state"] == "paused" and rung is not None:
                found.setdefault(rung, []).append(trial)
        return {rung: sorted(found[rung], key=_goodness) for rung in sorted(found, reverse=True)}

    def reports(self, trial: Mapping[str, Any]) -> dict[int, float]:
        """First goal by rung, infinite where a limit was broken."""
        if trial["state"] == "infeasible":
            return {}
        values: dict[int, float] = {}
        for report in trial["reports"]:
            if report["step"] in self.steps:
                broken = any(by > 0 for by in report["violations"])
                values[self.steps.index(report["step"])] = math.inf if broken else report["values"][0]
        return values

    def optuna_study(self, step_of: StepOf, attributes: Attributes) -> tuple[Study, dict[int, FrozenTrial]]:
        """An Optuna study of the trials with their figures by rung, and its trials by number.

        `step_of` names a rung's step, `attributes` a pruner's own notes on a trial with figures at some rungs. All but the
        whole trials count as running, since each of them may go on.
        """
        import optuna
        from optuna.trial import TrialState

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        study = optuna.create_study(direction="minimize")
        for trial in sorted(self.trials, key=lambda t: int(t["number"])):
            values = self.reports(trial)
            whole = len(self.steps) - 1 in values
            study.add_trial(
                optuna.create_trial(
                    state=TrialState.COMPLETE if whole else TrialState.RUNNING,
                    value=values[len(self.steps) - 1] if whole else None,
                    intermediate_values={step_of(rung): value for rung, value in values.items()},
                    system_attrs=attributes(trial, values),
                )
            )
        numbers = sorted(int(t["number"]) for t in self.trials)
        return study, dict(zip(numbers, study.get_trials(deepcopy=False), strict=True))


def _goodness(trial: Mapping[str, Any]) -> tuple[float, float, int]:
    last = trial["reports"][-1]
    return sum(max(0.0, by) for by in last["violations"]), last["values"][0], trial["number"]


def geometric(steps: int, factor: int, lowest: int | None) -> list[int]:
    """Rungs that grow by a factor from the lowest, and the last step; the lowest is by default two factors below it."""
    first = max(1, min(steps, lowest if lowest is not None else round(steps / factor**2)))
    rungs = [first]
    while rungs[-1] * factor < steps:
        rungs.append(rungs[-1] * factor)
    # A rung just below the last step would cost a stop and tell little.
    if len(rungs) > 1 and rungs[-1] * math.sqrt(factor) > steps:
        rungs.pop()
    return rungs if rungs[-1] == steps else [*rungs, steps]


def halving_notes(values: Mapping[int, float], without: int | None = None) -> dict[str, Any]:
    """What Optuna's successive halving remembers of a trial: its figure at each rung that it has left."""
    return {f"completed_rung_{rung}": value for rung, value in values.items() if rung != without}
