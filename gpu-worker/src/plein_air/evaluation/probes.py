"""Linear probes: what can be read off an encoder's features, learnt on real paintings alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plein_air.evaluation.intervals import Floats

RIDGE = 10.0
"""Penalty a row, on standardised features: for an encoder's, of which there are more than paintings."""
FEW_RIDGE = 0.1
"""The same for a few dozen traits. At 10 each of them is read by itself, however much they have in common: of the paintings
of a set of 30 only 14 % then beat the base's pictures in the look of paintings, at 0.1 it is 92 %; of a set of 231, 94 % and
100 %."""


@dataclass(frozen=True)
class Probe:
    """A ridge regression on standardised features, a column an answer."""

    mean: Floats
    deviation: Floats
    weights: Floats
    offset: Floats

    @classmethod
    def fit(cls, features: Floats, answers: Floats, weights: Floats | None = None, ridge: float = RIDGE) -> Probe:
        """Fits answers of shape (n, k) to features of shape (n, d); `weights` count a row more or less, shape (n,)."""
        mean, deviation = features.mean(0), features.std(0) + 1e-6
        share = np.ones(len(features)) if weights is None else weights / weights.mean()
        root = np.sqrt(share)[:, None]
        offset = (answers * share[:, None]).sum(0) / share.sum()
        rows, wanted = (features - mean) / deviation * root, (answers - offset) * root
        penalty = ridge * len(rows)
        # The same weights either way; the smaller matrix, since 18,000 rows would take 2.6 GB.
        if rows.shape[0] > rows.shape[1]:
            found = np.linalg.solve(rows.T @ rows + penalty * np.eye(rows.shape[1]), rows.T @ wanted)
        else:
            found = rows.T @ np.linalg.solve(rows @ rows.T + penalty * np.eye(len(rows)), wanted)
        return cls(mean, deviation, found, offset)

    def scores(self, features: Floats) -> Floats:
        """Answers for features of shape (n, d), shape (n, k)."""
        return (features - self.mean) / self.deviation @ self.weights + self.offset


def class_probe(features: Floats, names: Sequence[str], classes: Sequence[str]) -> Probe:
    """One answer a class, 1 for its own rows and 0 for all others, every class counting alike however many rows it has."""
    answers = np.array([[float(name == one) for one in classes] for name in names])
    return Probe.fit(features, answers, answers @ (1 / np.maximum(answers.sum(0), 1)))


def ranks_above(scores: Floats, asked: NDArray[np.int64]) -> Floats:
    """How often a picture is more like what it was asked for than pictures that were asked for something else, 0 to 1.

    Chance is 0.5 whatever a model's pictures have in common, since only pictures of one model are compared.

    Args:
        scores: Of each picture for each class, shape (n, k).
        asked: Class that each picture was asked for, -1 for none, shape (n,).
    """
    found = np.full(len(asked), np.nan)
    known = asked >= 0
    for row in np.flatnonzero(known):
        others = scores[known & (asked != asked[row]), asked[row]]
        if len(others):
            mine = scores[row, asked[row]]
            found[row] = ((mine > others).mean() + (mine >= others).mean()) / 2
    return found
