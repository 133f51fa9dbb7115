"""A study played against a function, as the workflow plays it against trainings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from plein_air.tuning.suggest import run

Parameters = dict[str, Any]
Study = list[dict[str, Any]]


def question(strategy: str, space: dict[str, Any], defaults: Parameters, **changes: Any) -> dict[str, Any]:
    """What `suggest` is asked, before the trials."""
    return {
        "strategy": strategy,
        "strategyOptions": {},
        "pruner": "none",
        "prunerOptions": {},
        "steps": 40,
        "space": space,
        "defaults": defaults,
        "enqueue": [],
        "earlier": [],
        "mayStart": True,
        "goals": 1,
        "seed": 7,
        **changes,
    }


def play(
    ask: dict[str, Any], loss: Callable[[Parameters, int], Any], count: int, trials: Study | None = None
) -> tuple[Study, list[dict[str, Any]]]:
    """Follows every move until `count` trials were started and none may go on; the trials and the moves.

    `loss(parameters, step)` is a value, a list of values, or None for a trial that cannot be trained.
    """
    study: Study = [*(trials or [])]
    moves: list[dict[str, Any]] = []
    while True:
        move = run({**ask, "trials": study, "mayStart": len(study) < count})
        moves.append(move)
        if move["next"] not in ("trial", "promote"):
            return study, moves
        if move["next"] == "trial":
            study.append(running(move))
        settle(study[move["number"]], move["toStep"], ask["steps"], loss)


def running(move: dict[str, Any]) -> dict[str, Any]:
    """The trial of a move that starts one."""
    return {
        "number": move["number"],
        "parameters": move["parameters"],
        "state": "running",
        "value": None,
        "reports": [],
        "gpuSeconds": 0.0,
    }


def settle(trial: dict[str, Any], step: int, last: int, loss: Callable[[Parameters, int], Any]) -> None:
    """Writes what came of a stretch into its trial."""
    value = loss(trial["parameters"], step)
    if value is None:
        trial.update(state="infeasible", value=None)
        return
    values = value if isinstance(value, list) else [value]
    trial["reports"].append({"step": step, "values": values, "violations": []})
    trial.update(state="complete" if step >= last else "paused", value=values[0])
