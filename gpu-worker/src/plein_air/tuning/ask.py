"""What a strategy is asked: the study so far, as plain data and as Optuna sees it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from plein_air.tuning.space import Space

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from optuna.study import Study
    from optuna.trial import FrozenTrial

Trial = Mapping[str, Any]


@dataclass(frozen=True)
class Ask:
    """One question for a new trial. Everything random in its answer comes from `seed` or `study_seed`."""

    space: Space
    trials: Sequence[Trial]
    """By number; those of an earlier study first, with negative numbers."""
    number: int
    """Of the trial asked for."""
    goals: int
    study: int
    """The study's own seed, as people gave it."""

    @property
    def seed(self) -> int:
        """Of this ask alone."""
        return seed_of(self.study, self.number)

    @property
    def study_seed(self) -> int:
        """The same for every ask of the study."""
        return seed_of(self.study, "study")

    @cached_property
    def fidelity(self) -> int | None:
        """Step at which trials are compared: the highest rung with enough of them for a model, else the one with most.

        The rule of BOHB: a model of many cheap figures first, of the dear ones as soon as there are enough.
        """
        reached: dict[int, int] = {}
        for trial in self.trials:
            for report in trial["reports"]:
                reached[report["step"]] = reached.get(report["step"], 0) + 1
        if not reached:
            return None
        enough = [step for step, count in reached.items() if count >= len(self.space.dimensions) + 2]
        return max(enough) if enough else min(reached, key=lambda step: (-reached[step], step))

    @cached_property
    def finished(self) -> int:
        """Trials with figures at the fidelity."""
        return sum(report_at(trial, self.fidelity) is not None for trial in self.trials)

    def history(self, keep: Sequence[Trial] | None = None) -> list[FrozenTrial]:
        """The trials as Optuna keeps them, by number; those whose values lie outside the space are left out.

        Infeasible ones have a value worse than all others, for samplers that look at values alone, and a broken constraint,
        for those that model constraints. Trials that wait below the fidelity say nothing there and are left out.
        """
        trials = self.trials if keep is None else keep
        worst = _worst([report["values"] for t in trials if (report := report_at(t, self.fidelity))], self.goals)
        most = max((len(report["violations"]) for t in trials for report in t["reports"]), default=0)
        frozen = (self._frozen(trial, worst, most) for trial in trials)
        return [trial for trial in frozen if trial is not None]

    def _frozen(self, trial: Trial, worst: list[float], constraints: int) -> FrozenTrial | None:
        import optuna
        from optuna.trial import TrialState

        parameters = self.space.filled(trial["parameters"])
        if parameters is None:
            return None
        report = report_at(trial, self.fidelity)
        infeasible = trial["state"] == "infeasible"
        if report is None and not infeasible:
            if trial["state"] != "running":
                return None
            return optuna.create_trial(
                state=TrialState.RUNNING, params=parameters, distributions=self.space.distributions
            )
        broken = [1.0] * constraints if infeasible or report is None else list(report["violations"])
        return optuna.create_trial(
            state=TrialState.COMPLETE,
            params=parameters,
            distributions=self.space.distributions,
            values=worst if infeasible or report is None else list(report["values"]),
            constraints={"trains": 1.0 if infeasible else -1.0, **{f"limit{i}": v for i, v in enumerate(broken)}},
        )

    def optuna_study(self, sampler: BaseSampler, history: Sequence[FrozenTrial]) -> Study:
        """A study in memory that holds the history and nothing else."""
        import optuna
        from optuna.study import StudyDirection

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        study = optuna.create_study(sampler=sampler, directions=[StudyDirection.MINIMIZE] * self.goals)
        study.add_trials(history)
        return study

    def from_optuna(self, sampler: BaseSampler, keep: Sequence[Trial] | None = None) -> dict[str, Any]:
        """A value of every dimension from one of Optuna's samplers."""
        study = self.optuna_study(sampler, self.history(keep))
        space = self.space.distributions
        trial = study.ask(space)
        return {name: trial.params[name] for name in space}


def seed_of(seed: int, what: object) -> int:
    """31 bits of sha256 over the study's seed and what they are for."""
    return int.from_bytes(hashlib.sha256(f"plein-air suggest {seed} {what}".encode()).digest()[:4]) >> 1


def report_at(trial: Trial, step: int | None) -> Mapping[str, Any] | None:
    """A trial's figures at a step; None where it has not been there, or has figures that are not finite."""
    if trial["state"] == "infeasible":
        return None
    for report in trial["reports"]:
        if report["step"] == step and all(map(math.isfinite, [*report["values"], *report["violations"]])):
            return report
    return None


def _worst(values: Sequence[Sequence[float]], goals: int) -> list[float]:
    """Worse than the worst of each goal by that goal's spread."""
    if not values:
        return [1.0] * goals
    worst: list[float] = []
    for goal in zip(*values, strict=True):
        spread = max(goal) - min(goal)
        worst.append(max(goal) + (spread if spread > 0 else max(abs(max(goal)), 1.0)))
    return worst
