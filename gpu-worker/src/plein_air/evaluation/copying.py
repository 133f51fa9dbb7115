"""Whether a model repeats its training pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plein_air.evaluation.diversity import unit_rows
from plein_air.evaluation.intervals import Floats, Measured, clustered_rate, rate_difference

Picture = NDArray[np.uint8]
"""Height x width x 3."""


@dataclass(frozen=True)
class Nearest:
    """For each picture, its nearest training picture and its nearest held-out one, by cosine."""

    train: NDArray[np.int64]
    train_cosine: Floats
    held_out: NDArray[np.int64]
    held_out_cosine: Floats


def both_ways(pictures: Sequence[Picture], describe: Callable[[Sequence[Picture]], Floats]) -> Floats:
    """Features of each picture and of its mirror image, since training may flip what it shows; shape (n, 2, d)."""
    return np.stack([describe(pictures), describe([picture[:, ::-1] for picture in pictures])], axis=1)


def find_nearest(features: Floats, train: Floats, held_out: Floats, middle: Floats) -> Nearest:
    """Nearest pictures of both splits, by the cosine of features seen from `middle`.

    Args:
        features: Of the model's pictures, shape (n, d).
        train: Of training pictures, shape (m, d), or (m, views, d) with a row for each way to look at one.
        held_out: The same of unseen ones.
        middle: Where features are seen from, shape (d,).
    """
    unit = unit_rows(features - middle)
    to_train, to_held_out = _cosines(unit, train, middle), _cosines(unit, held_out, middle)
    return Nearest(to_train.argmax(1), to_train.max(1), to_held_out.argmax(1), to_held_out.max(1))


def closeness_limit(train: Floats, held_out: Floats, middle: Floats, quantile: float) -> float:
    """How near unseen paintings come to the training pictures: a quantile of their nearest cosines; shapes as above."""
    seen = held_out if held_out.ndim == 2 else held_out[:, 0]
    return float(np.quantile(_cosines(unit_rows(seen - middle), train, middle).max(1), quantile))


def _cosines(unit: Floats, pictures: Floats, middle: Floats) -> Floats:
    """Of the view of each picture that is nearest, shape (n, m)."""
    views = [pictures] if pictures.ndim == 2 else [pictures[:, view] for view in range(pictures.shape[1])]
    return np.max([unit @ unit_rows(view - middle).T for view in views], axis=0)


def copying_excess(nearest: Nearest, sizes: tuple[int, int], prompts: NDArray[np.int64], confidence: float) -> Measured:
    """Part of the pictures that are nearer to training than chance explains, from 0 (none) to 1 (all).

    A model that learnt the style and copied nothing is as near to a training picture as to an unseen one, so its nearest
    picture is a training picture with chance c = train / (train + held-out). The excess (rate - c) / (1 - c) takes that
    away, and is negative when unseen pictures are the nearer ones.
    """
    chance = sizes[0] / (sizes[0] + sizes[1])
    closer = (nearest.train_cosine > nearest.held_out_cosine).astype(np.float64)
    what = f"rate of nearest pictures in train, above the chance of {sizes[0]} against {sizes[1]}; {_BOUNDS}"
    rate = clustered_rate(closer, prompts, confidence, what)
    low, high = (None if bound is None else (bound - chance) / (1 - chance) for bound in (rate.low, rate.high))
    return Measured((rate.estimate - chance) / (1 - chance), low, high, rate.n, what)


def copying_rate(nearest: Nearest, limit: float, prompts: NDArray[np.int64], confidence: float) -> Measured:
    """Part of the pictures that come nearer to a training picture than unseen paintings do."""
    what = f"rate of pictures with a cosine above {limit:.6g} to a training picture; {_BOUNDS}"
    return clustered_rate(close(nearest, limit), prompts, confidence, what)


def copying_increase(
    ours: Nearest, theirs: Nearest, limit: float, prompts: NDArray[np.int64], confidence: float, seed: int
) -> Measured:
    """How much more of our pictures come near to a training picture than of theirs, paired by prompt and seed."""
    what = f"difference of the rates of pictures with a cosine above {limit:.6g} to a training picture, paired"
    return rate_difference(close(ours, limit), close(theirs, limit), prompts, confidence, seed, what)


def close(nearest: Nearest, limit: float) -> Floats:
    """1 for a picture that is nearer to a training picture than `limit`, else 0."""
    return (nearest.train_cosine > limit).astype(np.float64)


_BOUNDS = "Clopper and Pearson's bounds at the number of pictures that clusters by prompt leave"
