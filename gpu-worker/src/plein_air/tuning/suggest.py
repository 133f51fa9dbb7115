"""The verb `suggest`: the next move of a study, from its trials and seed alone.

There is no database and no state: everything is built anew from the trial list, so that the same history gives the same
answer on any machine, after any crash.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from plein_air.tuning import pruners, strategies
from plein_air.tuning.ask import Ask
from plein_air.tuning.named import open_named
from plein_air.tuning.rungs import Ladder
from plein_air.tuning.space import Space

Move = dict[str, Any]


def run(params: dict[str, Any], emit: Any = None, stop: threading.Event | None = None) -> Move:
    """A trial that waits goes on if the pruner lets it; else a new one starts; else the study waits, or stops."""
    del emit, stop
    warnings.filterwarnings("ignore", message=".*is experimental")
    strategy, options = open_named(strategies, params["strategy"], params["strategyOptions"], "strategy")
    pruner, pruner_options = open_named(pruners, params["pruner"], params["prunerOptions"], "pruner")
    trials = sorted(params["trials"], key=lambda trial: int(trial["number"]))
    ladder = Ladder(pruner.rungs(params["steps"], pruner_options), trials)
    for trial in pruner.may_go_on(ladder, pruner_options):
        return _promote(trial, ladder)
    if params["mayStart"]:
        number = 1 + max((int(trial["number"]) for trial in trials), default=-1)
        parameters = _new_trial(params, trials, number, strategy, options)
        if parameters is not None:
            return {
                "next": "trial",
                "number": number,
                "parameters": parameters,
                "toStep": ladder.steps[0],
                "reason": "",
            }
        reason = f"{params['strategy']} has no further trial to try"
    else:
        reason = "no new trial may start"
    if any(trial["state"] == "running" for trial in trials):
        return _nothing("wait", reason)
    return _last_resort(ladder) or _nothing("stop", reason)


def _new_trial(
    params: Mapping[str, Any], trials: Sequence[Mapping[str, Any]], number: int, strategy: Any, options: Any
) -> dict[str, Any] | None:
    """Parameters of a new trial: the default first, then those that people asked for, then the strategy's choice."""
    space = Space.of(params["space"], params["defaults"])
    defaults = {name: space.defaults[name] for name in space.dimensions if name in space.defaults}
    if number == 0 or not space.dimensions:
        return space.active(defaults)
    if number <= len(params["enqueue"]):
        return space.active(defaults | params["enqueue"][number - 1])
    earlier = [
        {**trial, "number": index - len(params["earlier"]), "state": _settled(trial)}
        for index, trial in enumerate(params["earlier"])
    ]
    ask = Ask(space, [*earlier, *trials], number, params["goals"], params["seed"])
    full = strategy.suggest(ask, options)
    return None if full is None else space.active(full)


def _settled(trial: Mapping[str, Any]) -> str:
    return "infeasible" if trial["state"] == "infeasible" else "paused"


def _promote(trial: Mapping[str, Any], ladder: Ladder) -> Move:
    standing = ladder.standing(trial)
    above = 0 if standing is None else standing + 1
    return {
        "next": "promote",
        "number": trial["number"],
        "parameters": None,
        "toStep": ladder.steps[min(above, len(ladder.steps) - 1)],
        "reason": "",
    }


def _last_resort(ladder: Ladder) -> Move | None:
    """A small study may end with no trial at the last rung: then the best of the highest one goes on."""
    if any(ladder.standing(trial) == len(ladder.steps) - 1 for trial in ladder.trials):
        return None
    for waiting in ladder.waiting().values():
        return _promote(waiting[0], ladder)
    return None


def _nothing(what: str, reason: str) -> Move:
    return {"next": what, "number": None, "parameters": None, "toStep": None, "reason": reason}
