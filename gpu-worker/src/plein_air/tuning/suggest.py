"""The verb `suggest`: the next trial of a study, from its trials and seed alone.

There is no database and no state: the study is built anew from the trial list, so the same history gives the same
suggestion on any machine, after any crash.
"""

from __future__ import annotations

import hashlib
import math
import threading
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from plein_air.errors import TrainerError
from plein_air.tuning.strategies import STRATEGIES, Ask

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.study import Study
    from optuna.trial import FrozenTrial


def run(params: dict[str, Any], emit: Any = None, stop: threading.Event | None = None) -> dict[str, Any]:
    """Number and parameters of the next trial; trial 0 is always the default."""
    del emit, stop
    trials: list[dict[str, Any]] = params["trials"]
    number = 1 + max((int(trial["number"]) for trial in trials), default=-1)
    defaults: dict[str, Any] = {
        name: params["defaults"][name] for name in params["space"] if name in params["defaults"]
    }
    if number == 0 or params["strategy"] == "fixed" or not params["space"]:
        return {"number": number, "parameters": defaults}
    if params["strategy"] not in STRATEGIES:
        raise TrainerError(
            "InvalidInput",
            f"Expected a strategy of fixed, {', '.join(STRATEGIES)}, got {params['strategy']!r} (tuning.strategy).",
            {"field": "strategy"},
        )
    return {"number": number, "parameters": _ask(params, number)}


def _ask(params: Mapping[str, Any], number: int) -> dict[str, Any]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    space = {name: _distribution(name, spec) for name, spec in sorted(params["space"].items())}
    ask = Ask(
        seed=_seed(params["seed"], number),
        study_seed=_seed(params["seed"], "study"),
        asked=number,
        finished=sum(map(_finished, params["trials"])),
    )
    study = optuna.create_study(sampler=STRATEGIES[params["strategy"]](ask))
    _advance_sequence(study, space, number - 1)
    study.add_trials(_history(params["trials"], space))
    trial = study.ask(space)
    return {name: trial.params[name] for name in space}


def _seed(seed: int, what: object) -> int:
    """31 bits of sha256 over the study's seed and what they are for."""
    return int.from_bytes(hashlib.sha256(f"plein-air suggest {seed} {what}".encode()).digest()[:4]) >> 1


def _distribution(name: str, spec: Mapping[str, Any]) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    kind = spec["kind"]
    if kind == "float":
        return FloatDistribution(spec["low"], spec["high"], log=spec.get("log", False))
    if kind == "int":
        return IntDistribution(spec["low"], spec["high"], log=spec.get("log", False))
    if kind == "categorical":
        return CategoricalDistribution(spec["choices"])
    raise TrainerError(
        "InvalidInput",
        f"Expected a dimension of kind float, int or categorical, got {kind!r} (tuning.space.{name}).",
        {"field": f"space.{name}"},
    )


def _advance_sequence(study: Study, space: Mapping[str, BaseDistribution], points: int) -> None:
    """Skips the Sobol points that went to earlier trials, which a study of its own would have remembered."""
    from optuna.samplers import QMCSampler

    sampler = study.sampler
    if isinstance(sampler, QMCSampler):
        for _ in range(points):
            # The sequence's position is this method's only effect; asking for whole trials would do the same, slowly.
            sampler._find_sample_id(study, dict(space))  # pyright: ignore[reportPrivateUsage]


def _history(trials: Sequence[Mapping[str, Any]], space: Mapping[str, BaseDistribution]) -> list[FrozenTrial]:
    """The trials as Optuna keeps them, by number; those whose values lie outside the space are left out."""
    import optuna
    from optuna.trial import TrialState

    values = [float(t["value"]) for t in trials if _finished(t)]
    history: list[FrozenTrial] = []
    for trial in sorted(trials, key=lambda t: int(t["number"])):
        parameters = {name: trial["parameters"].get(name) for name in space}
        if not all(_contains(space[name], value) for name, value in parameters.items()):
            continue
        running = trial["state"] == "running"
        infeasible = not running and not _finished(trial)
        history.append(
            optuna.create_trial(
                state=TrialState.RUNNING if running else TrialState.COMPLETE,
                params=parameters,
                distributions=dict(space),
                value=None if running else (_penalty(values) if infeasible else float(trial["value"])),
                constraints=None if running else {"trains": 1.0 if infeasible else -1.0},
            )
        )
    return history


def _finished(trial: Mapping[str, Any]) -> bool:
    return trial["state"] == "complete" and trial["value"] is not None and math.isfinite(trial["value"])


def _penalty(values: Sequence[float]) -> float:
    """Objective of an infeasible trial for strategies that look at values alone: worse than the worst by the spread."""
    if not values:
        return 1.0
    spread = max(values) - min(values)
    return max(values) + (spread if spread > 0 else max(abs(max(values)), 1.0))


def _contains(distribution: BaseDistribution, value: Any) -> bool:
    from optuna.distributions import CategoricalDistribution

    if isinstance(distribution, CategoricalDistribution):
        return value in distribution.choices
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return False
    return bool(distribution._contains(distribution.to_internal_repr(value)))  # pyright: ignore[reportPrivateUsage]
