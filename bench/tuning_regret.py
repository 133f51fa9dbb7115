"""What searches cost in quality: our asks against Optuna's own loop with the same sampler, and against random search.

`PYTHONPATH=gpu-worker/src gpu-worker/.venv/bin/python bench/tuning_regret.py [seeds] [trials] [strategies]`; JSON to stdout.

Functions, all with Gaussian noise on every value that a search sees; regret is without noise, of the trial that looked best:
`branin` (two dimensions; minimum 0.397887), `hartmann6` (six dimensions; minimum -3.32237) and `jenatton`, the
tree-structured function of Jenatton et al. (2017), whose nine dimensions are mostly conditional (minimum 0.1).
"""

from __future__ import annotations

import json
import math
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
from scipy.stats import wilcoxon

from plein_air.tuning.suggest import run

warnings.filterwarnings("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)
Parameters = dict[str, Any]


def _float(low: float, high: float, **more: Any) -> dict[str, Any]:
    return {"kind": "float", "low": low, "high": high, **more}


def branin(p: Parameters) -> float:
    x, y = p["x"], p["y"]
    return (
        (y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6) ** 2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10
    )


ALPHA = np.array([1.0, 1.2, 3.0, 3.2])
A = np.array(
    [
        [10, 3, 17, 3.5, 1.7, 8],
        [0.05, 10, 17, 0.1, 8, 14],
        [3, 3.5, 1.7, 10, 17, 8],
        [17, 8, 0.05, 10, 0.1, 14],
    ]
)
P = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)


def hartmann6(p: Parameters) -> float:
    x = np.array([p[f"x{i}"] for i in range(6)])
    return -float(ALPHA @ np.exp(-(A * (x - P) ** 2).sum(1)))


def jenatton(p: Parameters) -> float:
    if p["a"] == 0:
        leaf = p["c0"] ** 2 + 0.1 if p["b0"] == 0 else p["c1"] ** 2 + 0.2
        return leaf + p["r0"]
    leaf = p["c2"] ** 2 + 0.3 if p["b1"] == 0 else p["c3"] ** 2 + 0.4
    return leaf + p["r1"]


def _when(field: str, value: int) -> dict[str, Any]:
    return {"when": {"field": field, "in": [value]}}


def _switch(**more: Any) -> dict[str, Any]:
    return {"kind": "categorical", "choices": [0, 1], **more}


JENATTON = {
    "a": _switch(),
    "b0": _switch(**_when("a", 0)),
    "b1": _switch(**_when("a", 1)),
    "c0": _float(-1, 1, **_when("b0", 0)),
    "c1": _float(-1, 1, **_when("b0", 1)),
    "c2": _float(-1, 1, **_when("b1", 0)),
    "c3": _float(-1, 1, **_when("b1", 1)),
    "r0": _float(0, 1, **_when("a", 0)),
    "r1": _float(0, 1, **_when("a", 1)),
}
FUNCTIONS: dict[str, tuple[Callable[[Parameters], float], dict[str, Any], Parameters, float, float]] = {
    "branin": (
        branin,
        {"x": _float(-5, 10), "y": _float(0, 15)},
        {"x": 2.5, "y": 7.5},
        0.397887,
        1.0,
    ),
    "hartmann6": (
        hartmann6,
        {f"x{i}": _float(0, 1) for i in range(6)},
        {f"x{i}": 0.5 for i in range(6)},
        -3.32237,
        0.1,
    ),
    "jenatton": (
        jenatton,
        JENATTON,
        {
            "a": 1,
            "b0": 0,
            "b1": 1,
            "c0": 0.5,
            "c1": 0.5,
            "c2": 0.5,
            "c3": 0.5,
            "r0": 0.5,
            "r1": 0.5,
        },
        0.1,
        0.05,
    ),
}
"""Function, space, default, minimum, standard deviation of the noise."""


def noise(seed: int, number: int, sd: float) -> float:
    """The same for the same trial number of the same seed, whoever searches."""
    return float(np.random.default_rng([seed, number]).normal(0, sd))


def ours(name: str, strategy: str, trials: int, seed: int) -> list[float]:
    """Regret after each trial of a study asked of `suggest`."""
    function, space, defaults, minimum, sd = FUNCTIONS[name]
    study: list[dict[str, Any]] = []
    ask = {
        "strategy": strategy,
        "strategyOptions": {},
        "pruner": "none",
        "prunerOptions": {},
        "steps": 1,
        "space": space,
        "defaults": defaults,
        "enqueue": [],
        "earlier": [],
        "mayStart": True,
        "goals": 1,
        "seed": seed,
    }
    seen: list[tuple[float, float]] = []
    for number in range(trials):
        parameters = run({**ask, "trials": study})["parameters"]
        true = function(parameters)
        value = true + noise(seed, number, sd)
        seen.append((value, true - minimum))
        report = {"step": 1, "values": [value], "violations": []}
        study.append(
            {
                "number": number,
                "parameters": parameters,
                "state": "complete",
                "value": value,
                "reports": [report],
                "gpuSeconds": 0,
            }
        )
    return [min(seen[: n + 1])[1] for n in range(trials)]


def native(name: str, strategy: str, trials: int, seed: int) -> list[float]:
    """Regret after each trial of Optuna's own loop: define by run, one sampler for the whole study, the default first."""
    function, space, defaults, minimum, sd = FUNCTIONS[name]
    samplers = optuna.samplers
    sampler = {
        "random": lambda: samplers.RandomSampler(seed=seed),
        "tpe": lambda: samplers.TPESampler(seed=seed, n_startup_trials=4, multivariate=True, group=True),
        "gp": lambda: samplers.GPSampler(seed=seed, n_startup_trials=4),
    }[strategy]()
    study = optuna.create_study(sampler=sampler)
    study.enqueue_trial(defaults)
    seen: list[tuple[float, float]] = []

    def active(field: str, chosen: Parameters) -> bool:
        when = space[field].get("when")
        return when is None or (when["field"] in chosen and chosen[when["field"]] in when["in"])

    def objective(trial: optuna.Trial) -> float:
        chosen: Parameters = {}
        for field, spec in space.items():
            if not active(field, chosen):
                continue
            chosen[field] = (
                trial.suggest_categorical(field, spec["choices"])
                if spec["kind"] == "categorical"
                else trial.suggest_float(field, spec["low"], spec["high"])
            )
        true = function(chosen)
        value = true + noise(seed, trial.number, sd)
        seen.append((value, true - minimum))
        return value

    study.optimize(objective, n_trials=trials)
    return [min(seen[: n + 1])[1] for n in range(trials)]


def compare(a: list[float], b: list[float]) -> dict[str, Any]:
    """Paired by seed: medians, the mean difference of log10 regrets with its 95 % bootstrap interval, and Wilcoxon's p."""
    x, y = np.log10(np.maximum(a, 1e-9)), np.log10(np.maximum(b, 1e-9))
    rng = np.random.default_rng(0)
    means = (x - y)[rng.integers(0, len(x), (4000, len(x)))].mean(1)
    low, high = np.quantile(means, [0.025, 0.975])
    p = 1.0 if np.allclose(x, y) else float(wilcoxon(x, y).pvalue)
    return {
        "medians": [round(float(np.median(a)), 4), round(float(np.median(b)), 4)],
        "log10Difference": round(float((x - y).mean()), 3),
        "interval": [round(float(low), 3), round(float(high), 3)],
        "p": float(f"{p:.2g}"),
    }


def main() -> None:
    seeds, trials = (int(a) for a in (sys.argv[1:3] or ["30", "12"]))
    strategies = (sys.argv[3] if len(sys.argv) > 3 else "tpe,gp").split(",")
    report: dict[str, Any] = {"seeds": seeds, "trials": trials, "functions": {}}
    for name in FUNCTIONS:
        random = [ours(name, "random", trials, seed)[-1] for seed in range(seeds)]
        rows: dict[str, Any] = {}
        for strategy in strategies:
            began = time.perf_counter()
            mine = [ours(name, strategy, trials, seed)[-1] for seed in range(seeds)]
            seconds = time.perf_counter() - began
            theirs = [native(name, strategy, trials, seed)[-1] for seed in range(seeds)]
            rows[strategy] = {
                "oursAndNative": compare(mine, theirs),
                "oursAndRandom": compare(mine, random),
                "secondsPerAsk": round(seconds / seeds / trials, 4),
            }
            print(name, strategy, json.dumps(rows[strategy]), file=sys.stderr, flush=True)
        report["functions"][name] = rows
    print(json.dumps(report, indent=2))


main()
