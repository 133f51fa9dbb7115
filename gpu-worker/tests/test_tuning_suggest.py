"""The next trial of a study, as a pure function of its history."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from plein_air.errors import TrainerError
from plein_air.tuning.suggest import run

SPACE = {
    "learningRate": {"kind": "float", "low": 3e-5, "high": 3e-3, "log": True},
    "rank": {"kind": "categorical", "choices": [4, 8, 16, 32]},
    "captionDropout": {"kind": "float", "low": 0.0, "high": 0.2, "log": False},
}
DEFAULTS = {"learningRate": 1e-3, "rank": 8, "captionDropout": 0.05}
ALL = ["fixed", "random", "sobol", "tpe", "gp"]


def loss(parameters: dict[str, Any]) -> float:
    """Lowest at a learning rate of 1e-4 and rank 16."""
    return (math.log10(parameters["learningRate"]) + 4) ** 2 + abs(parameters["rank"] - 16) / 64


def ask(strategy: str, trials: list[dict[str, Any]], seed: int = 7) -> dict[str, Any]:
    return run({"strategy": strategy, "space": SPACE, "defaults": DEFAULTS, "trials": trials, "seed": seed})


def play(strategy: str, count: int, seed: int = 7, infeasible: Any = lambda parameters: False) -> list[dict[str, Any]]:
    trials: list[dict[str, Any]] = []
    for _ in range(count):
        asked = ask(strategy, trials, seed)
        failed = infeasible(asked["parameters"])
        trials.append(
            {
                **asked,
                "state": "infeasible" if failed else "complete",
                "value": None if failed else loss(asked["parameters"]),
            }
        )
    return trials


@pytest.mark.parametrize("strategy", ALL)
def test_trial_zero_is_the_known_good_default(strategy: str) -> None:
    assert ask(strategy, []) == {"number": 0, "parameters": DEFAULTS}


@pytest.mark.parametrize("strategy", ALL)
def test_the_same_history_gives_the_same_suggestion(strategy: str) -> None:
    history = play(strategy, 6)
    first = ask(strategy, history)
    assert first == ask(strategy, json.loads(json.dumps(list(reversed(history)))))
    assert first["number"] == 6


@pytest.mark.parametrize("strategy", ALL)
def test_every_suggestion_lies_in_the_space(strategy: str) -> None:
    for trial in play(strategy, 8):
        parameters = trial["parameters"]
        assert 3e-5 <= parameters["learningRate"] <= 3e-3
        assert parameters["rank"] in [4, 8, 16, 32]
        assert 0 <= parameters["captionDropout"] <= 0.2


@pytest.mark.parametrize("strategy", ["random", "sobol", "tpe", "gp"])
def test_another_seed_gives_another_study(strategy: str) -> None:
    assert play(strategy, 3, seed=1)[1:] != play(strategy, 3, seed=2)[1:]


@pytest.mark.parametrize("strategy", ["random", "sobol", "tpe", "gp"])
def test_no_suggestion_repeats_an_earlier_one(strategy: str) -> None:
    rates = [trial["parameters"]["learningRate"] for trial in play(strategy, 6)]
    assert len(set(rates)) == len(rates)


def test_sobol_points_fill_every_quarter_of_the_learning_rates() -> None:
    # A scrambled Sobol sequence puts one of each aligned four points into each quarter; trial 0 took the first place.
    exponents = [math.log10(t["parameters"]["learningRate"] / 3e-5) / 2 for t in play("sobol", 9)[1:]]
    assert sorted(int(e * 4) for e in exponents[:4]) == [0, 1, 2, 3]
    assert sorted(int(e * 8) for e in exponents) == list(range(8))


@pytest.mark.parametrize("strategy", ["tpe", "gp"])
def test_a_model_based_strategy_starts_with_sobol_points(strategy: str) -> None:
    sobol = [t["parameters"] for t in play("sobol", 4)]
    assert [t["parameters"] for t in play(strategy, 4)] == sobol


@pytest.mark.parametrize("strategy", ["tpe", "gp"])
def test_a_running_trial_is_accepted_and_not_suggested_again(strategy: str) -> None:
    history = play(strategy, 5)
    running = {**ask(strategy, history), "state": "running", "value": None}
    after = ask(strategy, [*history, running])
    assert after["number"] == 6
    assert after["parameters"] != running["parameters"]


def test_infeasible_trials_teach_the_sampler() -> None:
    # Everything above 3e-4 diverges, where the loss would have looked no worse.
    trials = play("gp", 14, infeasible=lambda parameters: parameters["learningRate"] > 3e-4)
    assert sum(t["state"] == "infeasible" for t in trials[-6:]) <= 2
    assert sum(t["state"] == "infeasible" for t in trials[:4]) >= 2


@pytest.mark.parametrize("strategy", ["tpe", "gp"])
def test_a_study_of_infeasible_trials_alone_still_gets_an_answer(strategy: str) -> None:
    assert len(play(strategy, 7, infeasible=lambda parameters: True)) == 7


def test_the_gaussian_process_comes_closer_than_random_points_do() -> None:
    def best(strategy: str) -> float:
        return sum(min(t["value"] for t in play(strategy, 10, seed=seed)) for seed in range(3))

    assert best("gp") < best("random")


def test_a_trial_outside_of_the_space_is_left_out_of_the_history_but_keeps_its_number() -> None:
    odd = {"number": 1, "parameters": {**DEFAULTS, "learningRate": 0.5}, "state": "complete", "value": -99.0}
    history = [*play("gp", 1), odd]
    assert ask("gp", history)["number"] == 2


def test_an_unknown_strategy_is_named_with_those_there_are() -> None:
    with pytest.raises(TrainerError, match="Expected a strategy of fixed, random, sobol, tpe, gp, got 'anneal'"):
        ask("anneal", play("fixed", 1))


def test_no_strategy_but_the_gaussian_process_imports_torch() -> None:
    code = (
        "import sys, json; from plein_air.tuning.suggest import run; p = json.loads(sys.argv[1])\n"
        "for p['strategy'] in ['fixed', 'random', 'sobol', 'tpe']: run(p)\n"
        "assert 'torch' not in sys.modules, 'torch was imported'"
    )
    params = {"space": SPACE, "defaults": DEFAULTS, "trials": play("tpe", 5), "seed": 7}
    source = str(Path(__file__).parents[1] / "src")
    subprocess.run([sys.executable, "-c", code, json.dumps(params)], check=True, env={"PYTHONPATH": source}, timeout=60)
