"""Every combination once, in an order drawn by the seed, so that a study cut short has seen no corner only."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from plein_air.errors import TrainerError
from plein_air.tuning.ask import Ask, seed_of

LARGEST = 100_000
"""Combinations that are listed at most."""


@dataclass(frozen=True)
class Options:
    """How fine the grid is."""

    points: int = 3
    """Of each range, ends included; evenly spaced, on a logarithmic scale where the dimension has one."""


def suggest(ask: Ask, options: Options) -> dict[str, Any] | None:
    """The next combination that no trial has had, None after the last; what has no effect makes no combination."""
    axes = {name: _points(spec, options.points) for name, spec in ask.space.dimensions.items()}
    size = math.prod(len(axis) for axis in axes.values())
    if size > LARGEST:
        raise TrainerError(
            "InvalidInput",
            f"Expected a grid of at most {LARGEST} combinations, got {size}: search fewer fields or lower points "
            "(tuning.strategyOptions.points).",
            {"field": "strategyOptions"},
        )
    tried = {_key(trial["parameters"]) for trial in ask.trials}
    left: dict[str, dict[str, Any]] = {}
    for values in itertools.product(*axes.values()):
        full = dict(zip(axes, values, strict=True))
        key = _key(ask.space.active(full))
        if key not in tried:
            left.setdefault(key, full)
    return left[min(left, key=lambda key: (seed_of(ask.study, key), key))] if left else None


def _points(spec: Mapping[str, Any], count: int) -> list[Any]:
    if spec["kind"] == "categorical":
        return list(spec["choices"])
    low, high = spec["low"], spec["high"]
    parts = [i / (count - 1) for i in range(count)]
    points = [low * (high / low) ** p if spec.get("log", False) else low + (high - low) * p for p in parts]
    # Rounding must not put an end outside of its range.
    points = [min(max(point, low), high) for point in points]
    return sorted({round(point) for point in points}) if spec["kind"] == "int" else points


def _key(parameters: Mapping[str, Any]) -> str:
    return json.dumps(parameters, sort_keys=True)
