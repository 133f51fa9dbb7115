"""Distances between sets of pictures: kernel MMD² as a whole-set U-statistic, which is unbiased at any size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plein_air.evaluation.intervals import Floats, Measured, jackknifed

Kernel = Callable[[Floats, Floats], Floats]
Groups = NDArray[np.int64]
_ROWS = 128
"""Rows of a Gram matrix that are in memory at once, where only its sum is wanted."""


def kid_kernel(a: Floats, b: Floats) -> Floats:
    """The cubic kernel of KID, (a·b/d + 1)³ (arXiv 1801.01401), for features of shape (n, d) and (m, d)."""
    return (a @ b.T / a.shape[1] + 1.0) ** 3


def gaussian_kernel(bandwidth: float) -> Kernel:
    """exp(-|a - b|² / (2 bandwidth²)), the kernel of CMMD (arXiv 2401.09603)."""

    def kernel(a: Floats, b: Floats) -> Floats:
        squares = (a**2).sum(1)[:, None] + (b**2).sum(1)[None, :] - 2 * a @ b.T
        return np.exp(-np.maximum(squares, 0) / (2 * bandwidth**2))

    return kernel


def median_distance(features: Floats) -> float:
    """Median distance between different rows: the Gaussian kernel's bandwidth, from the reference paintings alone."""
    squares = (features**2).sum(1)[:, None] + (features**2).sum(1)[None, :] - 2 * features @ features.T
    above = squares[np.triu_indices(len(features), 1)]
    return float(np.sqrt(np.median(np.maximum(above, 0)))) if len(above) else 1.0


@dataclass(frozen=True)
class Distances:
    """MMD² of the candidate's and the base's pictures to the reference paintings, and what the candidate gained."""

    candidate: Measured
    base: Measured
    improvement: Measured


def measure_distances(
    *,
    candidate: Floats,
    base: Floats,
    reference: Floats,
    prompts: Groups,
    reference_groups: Groups,
    kernel: Kernel,
    confidence: float,
) -> Distances:
    """Both distances and their paired difference, with jackknifed bounds.

    The pictures' error is found by leaving out one prompt at a time, from both sets at once, the reference's by leaving
    out one group of near-duplicates at a time: never by a naive bootstrap, whose repeated rows look like collapsed data.

    Args:
        candidate: Features, shape (n, d); row i was made from the same prompt and seed as row i of `base`.
        base: Features, shape (n, d).
        reference: Features of real paintings that were not trained on, shape (m, d).
        prompts: Prompt number of each row, shape (n,).
        reference_groups: Group of each reference row, shape (m,).
        kernel: Positive definite.
        confidence: One-sided.
    """
    within = kernel(reference, reference)
    of_candidate = _LeaveOut.of(
        kernel(candidate, candidate), kernel(candidate, reference), within, prompts, reference_groups
    )
    of_base = _LeaveOut.of(kernel(base, base), kernel(base, reference), within, prompts, reference_groups)
    words = f"whole-set U-statistic, jackknife over {prompts.max() + 1} prompts and {reference_groups.max() + 1} reference groups"

    def bounds(a: _LeaveOut, b: _LeaveOut | None) -> Measured:
        zero = np.float64(0)
        return jackknifed(
            float(a.whole - (b.whole if b else zero)),
            [
                a.without_prompt - (b.without_prompt if b else zero),
                a.without_reference - (b.without_reference if b else zero),
            ],
            confidence,
            len(prompts),
            words,
        )

    return Distances(bounds(of_candidate, None), bounds(of_base, None), bounds(of_base, of_candidate))


def retained_distance(
    *,
    candidate: Floats,
    release: Floats,
    base: Floats,
    share: float,
    reference: Floats,
    prompts: Groups,
    reference_groups: Groups,
    kernel: Kernel,
    confidence: float,
) -> Measured:
    """What the candidate gained over the base beyond `share` of what the release gained; rows and bounds as above."""
    within = kernel(reference, reference)
    c, r, b = (
        _LeaveOut.of(kernel(x, x), kernel(x, reference), within, prompts, reference_groups)
        for x in (candidate, release, base)
    )
    return jackknifed(
        b.whole - c.whole - share * (b.whole - r.whole),
        [
            b.without_prompt - c.without_prompt - share * (b.without_prompt - r.without_prompt),
            b.without_reference - c.without_reference - share * (b.without_reference - r.without_reference),
        ],
        confidence,
        len(prompts),
        f"gain over the base beyond {share:.0%} of the release's, jackknife over prompts and reference groups",
    )


def mmd2(x: Floats, y: Floats, kernel: Kernel) -> float:
    """The U-statistic of MMD² between two sets of features."""
    xx, yy = (_summed(one, one, kernel) - _diagonal(one, kernel) for one in (x, y))
    return _u_statistic(xx, len(x), yy, len(y), _summed(x, y, kernel))


def _summed(x: Floats, y: Floats, kernel: Kernel) -> float:
    """Sum of the kernel over all pairs, a few rows at a time: 7,200 by 7,200 would take gigabytes."""
    return sum(float(kernel(x[start : start + _ROWS], y).sum()) for start in range(0, len(x), _ROWS))


def _diagonal(x: Floats, kernel: Kernel) -> float:
    return sum(float(np.trace(kernel(x[i : i + _ROWS], x[i : i + _ROWS]))) for i in range(0, len(x), _ROWS))


def _u_statistic(xx: float, n: float, yy: float, m: float, xy: float) -> float:
    return xx / (n * (n - 1)) + yy / (m * (m - 1)) - 2 * xy / (n * m)


@dataclass(frozen=True)
class _LeaveOut:
    """A U-statistic on everything, with each prompt left out, and with each reference group left out."""

    whole: float
    without_prompt: Floats
    without_reference: Floats

    @classmethod
    def of(cls, xx: Floats, xy: Floats, yy: Floats, x_groups: Groups, y_groups: Groups) -> _LeaveOut:
        x, y = _Sums.of(xx, x_groups), _Sums.of(yy, y_groups)
        n, m, cross = len(xx), len(yy), float(xy.sum())
        cross_without_x = cross - np.bincount(x_groups, weights=xy.sum(1))
        cross_without_y = cross - np.bincount(y_groups, weights=xy.sum(0))
        return cls(
            _u_statistic(x.total, n, y.total, m, cross),
            np.asarray(_u_statistic(x.without, n - x.sizes, y.total, m, cross_without_x)),  # pyright: ignore[reportArgumentType]
            np.asarray(_u_statistic(x.total, n, y.without, m - y.sizes, cross_without_y)),  # pyright: ignore[reportArgumentType]
        )


@dataclass(frozen=True)
class _Sums:
    """Off-diagonal sums of a Gram matrix: all of it, and without each group's rows and columns."""

    total: float
    without: Floats
    sizes: Floats

    @classmethod
    def of(cls, gram: Floats, groups: Groups) -> _Sums:
        hollow = gram - np.diag(np.diag(gram))
        member = np.zeros((len(groups), groups.max() + 1))
        member[np.arange(len(groups)), groups] = 1
        rows = member.T @ hollow
        inside = np.einsum("gn,ng->g", rows, member)
        total = float(hollow.sum())
        return cls(total, total - 2 * rows.sum(1) + inside, member.sum(0))
