"""Which trials go on from a rung, and what a finished study's figures say."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plein_air.tuning import assess
from plein_air.tuning.rungs import geometric
from plein_air.tuning.suggest import run
from study_in_test import play, question

SPACE = {"learningRate": {"kind": "float", "low": 0.0, "high": 1.0}}
DEFAULTS = {"learningRate": 0.5}


def loss(parameters: dict[str, Any], step: int) -> float:
    """Lowest at 0.3 and at many steps; the order is the same at every step."""
    return abs(parameters["learningRate"] - 0.3) + 1 / step


def ask(pruner: str, **changes: Any) -> dict[str, Any]:
    return question("random", SPACE, DEFAULTS, pruner=pruner, steps=90, **changes)


def steps_of(study: list[dict[str, Any]]) -> int:
    return sum(trial["reports"][-1]["step"] for trial in study if trial["reports"])


def test_asha_trains_the_best_to_the_end_and_spends_two_fifths() -> None:
    study, moves = play(ask("asha"), loss, 27)
    whole = [trial for trial in study if trial["state"] == "complete"]
    best = min(study, key=lambda trial: loss(trial["parameters"], 90))
    assert best in whole
    assert steps_of(study) < 27 * 90 * 0.4
    assert {trial["reports"][0]["step"] for trial in study} == {10}
    assert moves[-1]["next"] == "stop"


def test_asha_promotes_a_trial_that_waited_once_its_rung_has_filled() -> None:
    _, moves = play(ask("asha"), loss, 27)
    started: dict[int, int] = {}
    waits: list[int] = []
    for place, move in enumerate(moves):
        if move["next"] == "trial":
            started[move["number"]] = place
        elif move["next"] == "promote" and move["toStep"] == 30:
            waits.append(place - started[move["number"]])
    assert max(waits) > 1


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=18), st.sampled_from(["asha", "none"]))
def test_every_trial_goes_rung_by_rung_and_one_reaches_the_last(values: list[float], pruner: str) -> None:
    study, moves = play(ask(pruner), lambda p, step: values[int(p["learningRate"] * 997) % len(values)], len(values))
    assert sum(move["next"] == "trial" for move in moves) == len(values)
    for trial in study:
        steps = [report["step"] for report in trial["reports"]]
        assert steps == sorted(set(steps))
    assert any(trial["state"] == "complete" for trial in study)
    # Each stretch of training was asked for once.
    asked = [(move["number"], move["toStep"]) for move in moves if move["number"] is not None]
    assert len(set(asked)) == len(asked)


def test_a_study_too_small_for_its_rungs_still_trains_one_to_the_end() -> None:
    study, _ = play(ask("asha"), loss, 2)
    best = min(study, key=lambda trial: loss(trial["parameters"], 90))
    assert [trial["number"] for trial in study if trial["state"] == "complete"] == [best["number"]]


def test_the_last_resort_waits_for_trials_that_still_run() -> None:
    study, _ = play(ask("asha"), loss, 2)
    waiting = [{**trial, "state": "paused", "reports": trial["reports"][:1]} for trial in study]
    running = {**waiting[1], "state": "running", "reports": []}
    assert run({**ask("asha"), "trials": [waiting[0], running], "mayStart": False})["next"] == "wait"


def test_a_trial_that_breaks_a_limit_is_promoted_last() -> None:
    study, _ = play(ask("asha"), loss, 3)
    paused = [{**t, "state": "paused", "reports": t["reports"][:1]} for t in study]
    best = min(paused, key=lambda t: t["reports"][0]["values"][0])
    best["reports"] = [{**best["reports"][0], "violations": [0.1]}]
    move = run({**ask("asha"), "trials": paused, "mayStart": False})
    assert move["next"] == "promote"
    assert move["number"] != best["number"]


@pytest.mark.parametrize(
    ("steps", "factor", "lowest", "expected"),
    [
        (90, 3, None, [10, 30, 90]),
        (400, 3, None, [44, 132, 400]),
        (100, 4, 10, [10, 40, 100]),
        (100, 3, 30, [30, 100]),
        (1, 3, None, [1]),
        (2, 3, None, [1, 2]),
    ],
)
def test_rungs_grow_by_the_factor_and_end_at_the_last_step(
    steps: int, factor: int, lowest: int | None, expected: list[int]
) -> None:
    assert geometric(steps, factor, lowest) == expected


def assessed(study: list[dict[str, Any]], confirmations: list[dict[str, Any]], chosen: int = 0) -> dict[str, Any]:
    space = {**SPACE, "ema": {"kind": "float", "low": 0.0, "high": 0.9}}
    return assess.run(
        {
            "space": space,
            "defaults": {**DEFAULTS, "ema": 0.0},
            "trials": study,
            "chosen": chosen,
            "confirmations": confirmations,
        }
    )


def test_the_field_that_decides_is_the_important_one() -> None:
    space = {**SPACE, "ema": {"kind": "float", "low": 0.0, "high": 0.9}}
    study, _ = play(question("random", space, {**DEFAULTS, "ema": 0.0}), lambda p, step: abs(p["ema"] - 0.2), 40)
    found = assessed(study, [])["importances"]
    assert found[0]["field"] == "ema" and found[0]["importance"] > 0.7
    assert sum(part["importance"] for part in found) == pytest.approx(1)


def test_the_order_at_a_rung_is_compared_with_that_at_the_last_one() -> None:
    study, _ = play(ask("asha"), loss, 27)
    agreement = assessed(study, [])["rankAgreement"]
    assert [row["step"] for row in agreement] == [10, 30]
    assert all(row["tau"] == pytest.approx(1) for row in agreement)


def test_a_choice_is_as_sure_as_the_spread_over_seeds_allows() -> None:
    def runs(*pairs: tuple[float | None, float]) -> list[dict[str, Any]]:
        return [
            {"trial": trial, "seed": seed, "value": value, "gpuSeconds": 1.0}
            for seed, values in enumerate(pairs)
            for trial, value in enumerate(values)
        ]

    def sure(*pairs: tuple[float | None, float]) -> dict[str, Any]:
        return assessed([], runs(*pairs))["certainty"][0]

    clear = sure((0.50, 0.60), (0.52, 0.61), (0.49, 0.60))
    noisy = sure((0.50, 0.60), (0.70, 0.61), (0.49, 0.60))
    assert clear["probability"] > 0.99 > noisy["probability"] > 0.5
    assert sure((0.5, 0.6))["probability"] is None
    assert sure((0.5, 0.6), (None, 0.6))["seeds"] == 1
    assert assessed([], [])["certainty"] == []
