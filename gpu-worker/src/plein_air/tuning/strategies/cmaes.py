"""CMA-ES, rebuilt from the study's figures at each ask: nothing of it is kept, least of all as a pickle.

Optuna's own sampler keeps its optimizer pickled in the study; this one tells a fresh optimizer the same generations.
Categorical and conditional dimensions are drawn at random, as Optuna does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from plein_air.tuning.ask import Ask, report_at
from plein_air.tuning.strategies import random


@dataclass(frozen=True)
class Options:
    """In units of a range that is 0 to 1."""

    sigma: float = 0.2
    """First standard deviation."""
    population: int | None = None
    """Trials of a generation; None: by the number of dimensions."""


def suggest(ask: Ask, options: Options) -> dict[str, Any] | None:
    """A draw from the distribution that all whole generations so far have led to, from the default outwards."""
    import numpy as np
    from cmaes import CMA
    from optuna._transform import _SearchSpaceTransform  # pyright: ignore[reportPrivateUsage]
    from optuna.distributions import CategoricalDistribution

    drawn = random.suggest(ask, random.Options()) or {}
    space = ask.space.distributions
    numeric = {
        name: distribution
        for name, distribution in space.items()
        if not isinstance(distribution, CategoricalDistribution) and ask.space.dimensions[name].get("when") is None
    }
    if not numeric:
        return drawn
    transform = _SearchSpaceTransform(numeric, transform_step=True, transform_0_1=True)
    optimizer = CMA(
        mean=np.clip(transform.transform({name: ask.space.resting(name) for name in numeric}), 0.02, 0.98),
        sigma=options.sigma,
        bounds=transform.bounds,
        seed=ask.study_seed,
        n_max_resampling=10 * len(numeric),
        population_size=options.population,
    )
    told = [
        (transform.transform({name: trial.params[name] for name in numeric}), trial.values[0])
        for trial in ask.history([t for t in ask.trials if t["state"] == "infeasible" or report_at(t, ask.fidelity)])
    ]
    size = optimizer.population_size
    for start in range(0, len(told) - size + 1, size):
        optimizer.tell(told[start : start + size])
    optimizer.reseed_rng(ask.seed)
    return drawn | {name: plain(value) for name, value in transform.untransform(optimizer.ask()).items()}


def plain(value: Any) -> Any:
    """A number as Python's own."""
    return value.item() if hasattr(value, "item") else value
