"""The next move of a study, as a pure function of its history."""

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
from study_in_test import play, question, running, settle

SPACE = {
    "learningRate": {"kind": "float", "low": 3e-5, "high": 3e-3, "log": True},
    "rank": {"kind": "categorical", "choices": [4, 8, 16, 32]},
    "captionDropout": {"kind": "float", "low": 0.0, "high": 0.2, "log": False},
    "alpha": {"kind": "int", "low": 4, "high": 64, "log": True, "when": {"field": "rank", "in": [16, 32]}},
}
DEFAULTS = {"learningRate": 1e-3, "rank": 8, "captionDropout": 0.05, "alpha": 8}
SEARCHING = ["random", "tpe", "gp"]
MODELS = ["tpe", "gp"]


def loss(parameters: dict[str, Any], step: int = 40) -> float:
    """Lowest at a learning rate of 1e-4 and rank 16; early figures foretell late ones."""
    place = (math.log10(parameters["learningRate"]) + 4) ** 2 + abs(parameters["rank"] - 16) / 64
    return place + 4 / step


def ask(strategy: str, **changes: Any) -> dict[str, Any]:
    return question(strategy, SPACE, DEFAULTS, **changes)


def trials(strategy: str, count: int, of: Any = loss, **changes: Any) -> list[dict[str, Any]]:
    return play(ask(strategy, **changes), of, count)[0]


def move(strategy: str, history: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    return run({**ask(strategy, **changes), "trials": history})


@pytest.mark.parametrize("strategy", ["fixed", *SEARCHING])
def test_trial_zero_is_the_known_good_default_without_what_has_no_effect_in_it(strategy: str) -> None:
    asked = move(strategy, [])
    assert (asked["next"], asked["number"], asked["toStep"]) == ("trial", 0, 40)
    assert asked["parameters"] == {"learningRate": 1e-3, "rank": 8, "captionDropout": 0.05}


@pytest.mark.parametrize("strategy", SEARCHING)
def test_the_same_history_gives_the_same_move(strategy: str) -> None:
    history = trials(strategy, 6)
    first = move(strategy, history)
    assert first == move(strategy, json.loads(json.dumps(list(reversed(history)))))
    assert first["number"] == 6


@pytest.mark.parametrize("strategy", SEARCHING)
def test_every_suggestion_lies_in_the_space_and_keeps_to_its_conditions(strategy: str) -> None:
    seen = trials(strategy, 12)
    for trial in seen:
        parameters = trial["parameters"]
        assert 3e-5 <= parameters["learningRate"] <= 3e-3
        assert parameters["rank"] in [4, 8, 16, 32]
        assert 0 <= parameters["captionDropout"] <= 0.2
        assert ("alpha" in parameters) == (parameters["rank"] in [16, 32])
        assert isinstance(parameters.get("alpha", 4), int) and 4 <= parameters.get("alpha", 4) <= 64
    assert any("alpha" in trial["parameters"] for trial in seen)


@pytest.mark.parametrize("strategy", SEARCHING)
def test_another_seed_gives_another_study(strategy: str) -> None:
    assert trials(strategy, 3, seed=1)[1:] != trials(strategy, 3, seed=2)[1:]


@pytest.mark.parametrize("strategy", SEARCHING)
def test_no_suggestion_repeats_an_earlier_one(strategy: str) -> None:
    asked = [json.dumps(trial["parameters"], sort_keys=True) for trial in trials(strategy, 8)]
    assert len(set(asked)) == len(asked)


@pytest.mark.parametrize("strategy", ["gp", "tpe", "random"])
def test_two_goals_are_searched_together(strategy: str) -> None:
    def both(parameters: dict[str, Any], step: int) -> list[float]:
        return [loss(parameters, step), parameters["captionDropout"]]

    assert len(trials(strategy, 7, both, goals=2)) == 7


def test_first_points_fill_every_quarter_of_the_learning_rates() -> None:
    # A scrambled Sobol sequence puts one of each aligned four points into each quarter; trial 0 took the first place.
    exponents = [
        math.log10(t["parameters"]["learningRate"] / 3e-5) / 2
        for t in trials("tpe", 9, strategyOptions={"firstPoints": 9})[1:]
    ]
    assert sorted(int(e * 4) for e in exponents[:4]) == [0, 1, 2, 3]
    assert sorted(int(e * 8) for e in exponents) == list(range(8))


@pytest.mark.parametrize("strategy", MODELS)
def test_a_model_based_strategy_starts_with_sobol_points(strategy: str) -> None:
    sobol = [t["parameters"] for t in trials(strategy, 5, strategyOptions={"firstPoints": 5})]
    assert [t["parameters"] for t in trials(strategy, 4)] == sobol[:4]
    assert [t["parameters"] for t in trials(strategy, 3, strategyOptions={"firstPoints": 0})] != sobol[:3]


@pytest.mark.parametrize("strategy", SEARCHING)
def test_a_running_trial_is_accepted_and_not_suggested_again(strategy: str) -> None:
    history = trials(strategy, 5)
    history.append(running(move(strategy, history)))
    after = move(strategy, history)
    assert after["number"] == 6
    assert after["parameters"] != history[-1]["parameters"]


@pytest.mark.parametrize("strategy", MODELS)
def test_infeasible_trials_teach_the_sampler(strategy: str) -> None:
    # Everything above 3e-4 diverges, where the loss would have looked no worse.
    seen = trials(strategy, 24, lambda p, step: None if p["learningRate"] > 3e-4 else loss(p, step))
    assert sum(t["state"] == "infeasible" for t in seen[-6:]) <= 2
    assert sum(t["state"] == "infeasible" for t in seen[:4]) >= 2


@pytest.mark.parametrize("strategy", SEARCHING)
def test_a_study_of_infeasible_trials_alone_still_gets_an_answer(strategy: str) -> None:
    assert len(trials(strategy, 9, lambda parameters, step: None)) == 9


def test_a_limit_that_is_broken_drives_the_gaussian_process_away() -> None:
    # The loss falls with the learning rate all the way; above 3e-4 the limit is broken, by the decades beyond.
    study: list[dict[str, Any]] = []
    for _ in range(12):
        asked = running(move("gp", study))
        settle(asked, 40, 40, lambda parameters, step: -math.log10(parameters["learningRate"]))
        asked["reports"][0]["violations"] = [math.log10(asked["parameters"]["learningRate"] / 3e-4)]
        study.append(asked)
    broken = [max(0.0, trial["reports"][0]["violations"][0]) for trial in study]
    assert sum(broken[-5:]) / 5 < 0.3


def test_the_gaussian_process_comes_closer_than_random_points_do() -> None:
    def best(strategy: str) -> float:
        return sum(min(t["value"] for t in trials(strategy, 10, seed=seed)) for seed in range(3))

    assert best("gp") < best("random")


def test_own_trials_come_right_after_the_default_and_take_its_values_where_they_say_nothing() -> None:
    own = [{"learningRate": 5e-4}, {"rank": 32}]
    seen = trials("gp", 4, enqueue=own)
    assert seen[1]["parameters"] == {"learningRate": 5e-4, "rank": 8, "captionDropout": 0.05}
    assert seen[2]["parameters"] == {"learningRate": 1e-3, "rank": 32, "captionDropout": 0.05, "alpha": 8}


def test_an_earlier_study_spares_a_model_its_first_points() -> None:
    earlier = trials("random", 12)
    warm = trials("gp", 4, earlier=earlier, seed=3)
    cold = trials("gp", 4, seed=3)
    assert warm[1]["parameters"] != cold[1]["parameters"]
    assert min(t["value"] for t in warm[1:]) < min(t["value"] for t in cold[1:])


def test_a_trial_outside_of_the_space_is_left_out_of_the_history_but_keeps_its_number() -> None:
    odd = {**trials("gp", 2)[1], "parameters": {**DEFAULTS, "learningRate": 0.5}, "value": -99.0}
    assert move("gp", [*trials("gp", 1), odd])["number"] == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strategy": "anneal"}, "Expected one of fixed, gp, random, tpe, got 'anneal'"),
        ({"pruner": "axe"}, "Expected one of asha, none, got 'axe'"),
        ({"strategy": "gp", "strategyOptions": {"sigma": 1}}, "options of gp among firstPoints, window, got sigma"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainerError, match=message):
        run({**ask("gp"), "trials": trials("fixed", 1), **changes})


def test_no_strategy_but_the_gaussian_process_imports_torch() -> None:
    code = (
        "import sys, json; from plein_air.tuning.suggest import run; p = json.loads(sys.argv[1])\n"
        "for p['strategy'] in ['fixed', 'random', 'tpe']:\n"
        "  for p['pruner'] in ['none', 'asha']: run(p)\n"
        "assert 'torch' not in sys.modules, 'torch was imported'"
    )
    params = {**ask("tpe"), "trials": trials("tpe", 5)}
    source = str(Path(__file__).parents[1] / "src")
    subprocess.run([sys.executable, "-c", code, json.dumps(params)], check=True, env={"PYTHONPATH": source}, timeout=60)
