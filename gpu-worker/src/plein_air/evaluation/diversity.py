"""How different a model's pictures are from each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from plein_air.evaluation.intervals import Floats, Measured, log_jackknifed

MAX_GROUPS = 40
"""Most groups that a jackknife of the Vendi score leaves out one by one: each costs an eigendecomposition."""


def vendi(features: Floats) -> float:
    """The Vendi score (arXiv 2210.02410): the effective number of different rows, by a cosine kernel."""
    unit = unit_rows(features)
    if len(unit) > unit.shape[1]:
        values = np.linalg.eigvalsh(unit.T @ unit / len(unit))
    else:
        values = np.linalg.eigvalsh(unit @ unit.T / len(unit))
    kept = values[values > 1e-12]
    return float(np.exp(-np.sum(kept * np.log(kept))))


def unit_rows(features: Floats) -> Floats:
    """Rows scaled to length 1; a row of zeros stays one."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.where(lengths > 0, lengths, 1)


def vendi_ratio(candidate: Floats, base: Floats, prompts: NDArray[np.int64], confidence: float) -> Measured:
    """Vendi score of the candidate's pictures over that of the base's, at equal n, jackknifed by prompt."""
    folds = prompts % MAX_GROUPS
    numbers = range(int(folds.max()) + 1)
    return log_jackknifed(
        vendi(candidate),
        vendi(base),
        (
            np.array([vendi(candidate[folds != fold]) for fold in numbers]),
            np.array([vendi(base[folds != fold]) for fold in numbers]),
        ),
        confidence,
        len(prompts),
        f"ratio of Vendi scores at equal n, log jackknife over {len(numbers)} groups of prompts",
    )


def spread_within_prompts(features: Floats, prompts: NDArray[np.int64]) -> Floats:
    """Mean of 1 - cosine over the pairs of each prompt's pictures, shape (G,)."""
    cosines = unit_rows(features) @ unit_rows(features).T
    spreads: list[float] = []
    for prompt in range(int(prompts.max()) + 1):
        rows = np.flatnonzero(prompts == prompt)
        block = 1 - cosines[np.ix_(rows, rows)]
        pairs = len(rows) * (len(rows) - 1)
        # Rounding leaves equal pictures a hair from 0.
        spreads.append(max(0.0, float((block.sum() - np.trace(block)) / pairs)) if pairs else np.nan)
    rounded = np.array(spreads)
    return np.where(rounded < 1e-12, 0.0, rounded)


def within_prompt_ratio(candidate: Floats, base: Floats, prompts: NDArray[np.int64], confidence: float) -> Measured:
    """Mean spread within prompts of the candidate's pictures over that of the base's, jackknifed by prompt."""
    a, b = spread_within_prompts(candidate, prompts), spread_within_prompts(base, prompts)
    groups = len(a)
    without = ((a.sum() - a) / max(groups - 1, 1), (b.sum() - b) / max(groups - 1, 1))
    return log_jackknifed(
        float(a.mean()), float(b.mean()), without, confidence, len(prompts),
        f"ratio of mean 1 - cosine between a prompt's pictures, log jackknife over {groups} prompts",
    )  # fmt: skip
