"""Confidence bounds. Every bound is one-sided: `low` holds with the asked confidence, and so does `high`."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """An estimate with its bounds; a bound that cannot be had (too little data, NaN) is None, and so fails a gate."""

    estimate: float
    low: float | None
    high: float | None
    n: int
    method: str


def exact(value: float, n: int, method: str) -> Measured:
    """A count or another figure without sampling error."""
    return Measured(value, value, value, n, method)


def student_quantile(confidence: float, degrees: float) -> float:
    """Quantile of Student's t, for `degrees` > 0 degrees of freedom (not only whole ones)."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, confidence))


def jackknife_variance(left_out: Floats) -> float:
    """Variance of a statistic from its values with one group left out each."""
    groups = len(left_out)
    return float((groups - 1) / groups * np.sum((left_out - left_out.mean()) ** 2))


def jackknifed(
    estimate: float,
    sources: list[Floats],
    confidence: float,
    n: int,
    method: str,
) -> Measured:
    """Bounds from one delete-a-group jackknife per independent source of error.

    Variances add up; degrees of freedom after Welch and Satterthwaite.

    Args:
        estimate: The statistic on all data.
        sources: For each independent sample (pictures, reference paintings), the statistic's values with one of its
            groups left out each, shape (groups,).
        confidence: One-sided.
        n: Pictures behind the estimate.
        method: In words.
    """
    if any(len(values) < 3 for values in sources) or not math.isfinite(estimate):
        return Measured(estimate, None, None, n, f"{method}; fewer than 3 groups: no bounds")
    variances = [jackknife_variance(values) for values in sources]
    total = sum(variances)
    if not math.isfinite(total):
        return Measured(estimate, None, None, n, method)
    if total == 0:
        return Measured(estimate, estimate, estimate, n, method)
    degrees = total**2 / sum(v**2 / (len(s) - 1) for v, s in zip(variances, sources, strict=True))
    reach = student_quantile(confidence, degrees) * math.sqrt(total)
    return Measured(estimate, estimate - reach, estimate + reach, n, method)


def log_jackknifed(
    numerator: float, denominator: float, left_out: tuple[Floats, Floats], confidence: float, n: int, method: str
) -> Measured:
    """Bounds of a ratio of two positive statistics of paired groups, by a jackknife of its logarithm."""
    if min(numerator, denominator) <= 0 or min(left_out[0].min(), left_out[1].min()) <= 0:
        whole = numerator / denominator if denominator > 0 else math.nan
        # Nothing is left to vary in the numerator: certain. A denominator of zero compares with nothing.
        return exact(0.0, n, method) if numerator == 0 and denominator > 0 else Measured(whole, None, None, n, method)
    logs = np.log(left_out[0]) - np.log(left_out[1])
    inner = jackknifed(math.log(numerator / denominator), [logs], confidence, n, method)
    if inner.low is None or inner.high is None:
        return Measured(numerator / denominator, None, None, n, inner.method)
    return Measured(math.exp(inner.estimate), math.exp(inner.low), math.exp(inner.high), n, method)


def clustered_mean(
    values: Floats, clusters: NDArray[np.int64], confidence: float, seed: int, method: str, rounds: int = 4000
) -> Measured:
    """Bounds of a mean by a studentized bootstrap of whole clusters.

    Pictures of one prompt resemble each other, so prompts are drawn, not pictures; and each draw is measured in its own
    standard errors, which holds its coverage with as few as 16 prompts, where the percentile bootstrap is too narrow.

    Args:
        values: One figure a picture, shape (n,).
        clusters: Prompt number of each picture, shape (n,), 0 to G - 1.
        confidence: One-sided.
        seed: Of the draws.
        method: In words.
        rounds: Number of draws.
    """
    estimate = float(values.mean()) if len(values) else math.nan
    counts = np.bincount(clusters).astype(np.float64)
    groups = len(counts)
    if groups < 3 or not np.isfinite(values).all():
        return Measured(estimate, None, None, len(values), f"{method}; fewer than 3 prompts: no bounds")
    sums = np.bincount(clusters, weights=values)
    error = _ratio_error(sums, counts)  # pyright: ignore[reportArgumentType]
    if error == 0:
        return exact(estimate, len(values), method)
    picks = np.random.default_rng(seed).integers(0, groups, size=(rounds, groups))
    drawn_sums, drawn_counts = sums[picks], counts[picks]
    means = drawn_sums.sum(1) / drawn_counts.sum(1)
    errors = _ratio_error(drawn_sums, drawn_counts)  # pyright: ignore[reportArgumentType]
    usable = errors > 0
    t = np.sort((means[usable] - estimate) / errors[usable])
    # Beyond what so many draws show, the tail is that of Student's t: the most extreme draw would stand for all of it.
    drawn = min(confidence, 1 - _TAIL_DRAWS / rounds)
    further = student_quantile(confidence, groups - 1) / student_quantile(drawn, groups - 1)
    low_t, high_t = np.quantile(t, [1 - drawn, drawn]) * further
    return Measured(estimate, estimate - float(high_t) * error, estimate - float(low_t) * error, len(values), method)  # pyright: ignore[reportArgumentType]


_TAIL_DRAWS = 8
"""Draws that a quantile must leave beyond it to be one."""


def clustered_rate(hits: Floats, clusters: NDArray[np.int64], confidence: float, method: str) -> Measured:
    """Bounds of a rate: Clopper and Pearson's, at the number of independent pictures that the clusters leave.

    No hit in n pictures does not prove a rate of 0: then every prompt counts once, as if its pictures were all alike.

    Args:
        hits: 0 or 1 a picture, shape (n,).
        clusters: Prompt number of each picture, shape (n,), 0 to G - 1.
        confidence: One-sided.
        method: In words.
    """
    from scipy.special import betaincinv

    n = len(hits)
    if n == 0 or not np.isfinite(hits).all():
        return Measured(math.nan, None, None, n, method)
    rate = float(hits.mean())
    counts = np.bincount(clusters).astype(np.float64)
    effective = float(len(counts))
    if 0 < rate < 1:
        error = float(_ratio_error(np.bincount(clusters, weights=hits), counts))  # pyright: ignore[reportArgumentType]
        simple = rate * (1 - rate) / n
        effective = n / max(1.0, error**2 / simple)
    seen = rate * effective
    low = float(betaincinv(seen, effective - seen + 1, 1 - confidence)) if seen > 0 else 0.0
    high = float(betaincinv(seen + 1, effective - seen, confidence)) if seen < effective else 1.0
    return Measured(rate, low, high, n, method)


def rate_difference(
    ours: Floats, theirs: Floats, clusters: NDArray[np.int64], confidence: float, seed: int, method: str
) -> Measured:
    """Bounds of the difference of two paired rates; where no picture differs, they are those of a rate of 0."""
    measured = clustered_mean(ours - theirs, clusters, confidence, seed, method)
    if measured.low is None or measured.low != measured.high:
        return measured
    # Nothing differs, in so many prompts: the true difference may still be as large as a rate that was never seen.
    reach = clustered_rate(np.zeros(len(ours)), clusters, confidence, method).high
    if reach is None:
        return measured
    return Measured(measured.estimate, measured.estimate - reach, measured.estimate + reach, measured.n, method)


def rate_excess(hits: Floats, clusters: NDArray[np.int64], others: Floats, confidence: float, method: str) -> Measured:
    """Bounds of the difference of two independent rates, by the square-and-add of their own bounds (Newcombe's).

    Args:
        hits: 0 or 1 a picture, shape (n,).
        clusters: Prompt number of each picture, shape (n,), 0 to G - 1.
        others: 0 or 1 each, independent of each other, shape (m,).
        confidence: One-sided.
        method: In words.
    """
    ours = clustered_rate(hits, clusters, confidence, method)
    theirs = clustered_rate(others, np.arange(len(others)), confidence, method)
    estimate = ours.estimate - theirs.estimate
    if ours.low is None or ours.high is None or theirs.low is None or theirs.high is None:
        return Measured(estimate, None, None, len(hits), method)
    down = math.hypot(ours.estimate - ours.low, theirs.high - theirs.estimate)
    up = math.hypot(ours.high - ours.estimate, theirs.estimate - theirs.low)
    return Measured(estimate, estimate - down, estimate + up, len(hits), method)


OWN_VARIANCE = 2.0
"""How many times the pooled variance a part's own must be to be taken by itself."""


@dataclass(frozen=True)
class Pooled:
    """Variance of prompts' means within the parts of a set, and its degrees of freedom."""

    variance: float
    degrees: int


def prompt_variance(values: Floats, clusters: NDArray[np.int64], parts: NDArray[np.int64]) -> Pooled:
    """Variance of prompts' means about the mean of their part of the set, pooled over the parts.

    Args:
        values: One figure a picture, shape (n,).
        clusters: Prompt number of each picture, shape (n,), 0 to G - 1.
        parts: Part number of each picture, the same for all pictures of a prompt, shape (n,), 0 to P - 1.
    """
    counts = np.bincount(clusters)
    means = np.bincount(clusters, weights=values) / counts
    part = np.zeros(len(counts), dtype=np.int64)
    part[clusters] = parts
    sizes = np.bincount(part)
    residuals = means - (np.bincount(part, weights=means) / sizes)[part]
    degrees = len(counts) - len(sizes)
    return Pooled(float((residuals**2).sum() / degrees) if degrees > 0 else math.nan, degrees)


def few_prompts_mean(
    values: Floats,
    clusters: NDArray[np.int64],
    pooled: Pooled,
    confidence: float,
    method: str,
    own_variance: float = OWN_VARIANCE,
) -> Measured:
    """Bounds of a mean over few prompts: Student's t over the prompts' means, with the larger of two variances.

    A handful of prompts may miss the rare bad one that is there, and its own variance with it; the variance pooled over
    all parts of the set has seen more of them. A part that varies more than twice as much as all is taken by itself, with
    its own few degrees of freedom. `bench/gate_few_prompts.py` measures the level for skewed effects.

    Args:
        values: One figure a picture, shape (n,).
        clusters: Prompt number of each picture, shape (n,), 0 to G - 1.
        pooled: From `prompt_variance`.
        confidence: One-sided.
        method: In words.
        own_variance: How many times the pooled variance a part's own must be to be taken by itself.
    """
    if len(values) == 0:
        return Measured(math.nan, None, None, 0, method)
    counts = np.bincount(clusters)
    groups = len(counts)
    estimate = float(values.mean())
    if groups < 2 or not np.isfinite(values).all() or not math.isfinite(pooled.variance):
        return Measured(estimate, None, None, len(values), f"{method}; fewer than 2 prompts: no bounds")
    own = float((np.bincount(clusters, weights=values) / counts).var(ddof=1))
    degrees = groups - 1 if own > own_variance * pooled.variance else pooled.degrees
    reach = student_quantile(confidence, degrees) * math.sqrt(max(own, pooled.variance) / groups)
    return Measured(estimate, estimate - reach, estimate + reach, len(values), method)


def _ratio_error(sums: Floats, counts: Floats) -> Floats:
    """Standard error of sum(sums) / sum(counts) over independent clusters on the last axis."""
    groups = sums.shape[-1]
    mean = sums.sum(-1, keepdims=True) / counts.sum(-1, keepdims=True)
    residuals = sums - mean * counts
    return np.sqrt((residuals**2).sum(-1) * groups / (groups - 1)) / counts.sum(-1)
