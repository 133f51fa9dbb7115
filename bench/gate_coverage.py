"""Coverage of the evaluation's intervals on synthetic figures whose truth is known.

    OMP_NUM_THREADS=1 python bench/gate_coverage.py [--rounds 2000] [--confidence 0.975] [--only mean]

Pictures are drawn as the tiny profile's: 60 prompts with 2 seeds, pictures of a prompt resembling each other. Every
line says how often a one-sided bound of that confidence holds, and how often both do, with the 95 % interval of each
rate. At 97.5 %, as a gate of two looks has it, the two bounds are a two-sided interval of 95 %.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "gpu-worker" / "src"))

from plein_air.evaluation.diversity import vendi, vendi_ratio
from plein_air.evaluation.intervals import Measured, clustered_mean, clustered_rate
from plein_air.evaluation.set_distances import gaussian_kernel, kid_kernel, measure_distances

PROMPTS = np.arange(120) // 2
Draw = Callable[[np.random.Generator, float], tuple[Measured, float]]


def main() -> None:
    """Prints a line a kind of figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2000)
    parser.add_argument("--confidence", type=float, default=0.95)
    parser.add_argument("--only", default="", help="only figures whose name begins so")
    asked = parser.parse_args()
    rounds = asked.rounds

    def report(name: str, rounds: int, draw: Draw) -> None:
        if name.startswith(asked.only):
            hold(name, rounds, lambda rng: draw(rng, asked.confidence))

    for name, shape in (("normal", normal), ("skewed (log-normal)", skewed), ("heavy-tailed (t, 4 degrees)", heavy)):
        report(f"mean of a per-picture figure, {name}", rounds, lambda rng, c, s=shape: (mean_of(rng, s, c), 0.0))
    for rate in (0.02, 0.1, 0.5):
        report(f"rate of {rate}", rounds, lambda rng, c, r=rate: (rate_of(rng, r, c), r))
    for name, kernel in (("KID", kid_kernel), ("CMMD", gaussian_kernel(3.0))):
        truth = distance_truth(kernel) if name.startswith(asked.only) else 0.0
        report(f"{name} gained over the base", rounds // 2, lambda rng, c, k=kernel, t=truth: (distance(rng, k, c), t))
    truth = math.exp(np.mean([math.log(vendi(spread(r, 1.0)) / vendi(spread(r, 0.6))) for r in streams(400)]))
    report("ratio of Vendi scores", min(rounds, 400), lambda rng, c: (ratio(rng, c), truth))


def streams(count: int) -> list[np.random.Generator]:
    return [np.random.default_rng([7, i]) for i in range(count)]


def hold(name: str, rounds: int, draw: Callable[[np.random.Generator], tuple[Measured, float]]) -> None:
    """How often the lower bound, the upper bound and both hold."""
    low = high = both = 0
    for i in range(rounds):
        measured, truth = draw(np.random.default_rng([1, i]))
        assert measured.low is not None and measured.high is not None
        low += measured.low <= truth
        high += truth <= measured.high
        both += measured.low <= truth <= measured.high
    print(
        f"{name}: lower bound {rate(low, rounds)}, upper bound {rate(high, rounds)}, both {rate(both, rounds)} of {rounds}",
        flush=True,
    )


def rate(hits: int, rounds: int) -> str:
    """A share with its exact two-sided 95 % interval."""
    from scipy.special import betaincinv

    low = betaincinv(hits, rounds - hits + 1, 0.025) if hits else 0.0
    high = betaincinv(hits + 1, rounds - hits, 0.975) if hits < rounds else 1.0
    return f"{hits / rounds:.1%} [{low:.1%}, {high:.1%}]"


def normal(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.standard_normal(n)


def skewed(rng: np.random.Generator, n: int) -> np.ndarray:
    return (np.exp(0.5 * rng.standard_normal(n)) - math.exp(0.125)) / 0.6


def heavy(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.standard_t(4, n) / math.sqrt(2)


def mean_of(
    rng: np.random.Generator, shape: Callable[[np.random.Generator, int], np.ndarray], confidence: float
) -> Measured:
    values = 0.7 * shape(rng, 60)[PROMPTS] + shape(rng, 120)
    return clustered_mean(values, PROMPTS, confidence, int(rng.integers(1 << 30)), "", rounds=1000)


def rate_of(rng: np.random.Generator, mean: float, confidence: float) -> Measured:
    """Hits that come together within a prompt: each prompt has a rate of its own, Beta with a correlation of 0.2."""
    each = rng.beta(mean * 4, (1 - mean) * 4, 60)[PROMPTS]
    return clustered_rate((rng.random(120) < each).astype(np.float64), PROMPTS, confidence, "")


SIDES = (0.3, 1.0)
"""Means of candidate and base; the reference's is 0, every variance 1."""


def pictures(rng: np.random.Generator, of_prompt: np.ndarray, mean: float) -> np.ndarray:
    return mean + 0.7 * of_prompt[PROMPTS] + math.sqrt(1 - 0.49) * rng.standard_normal((120, 6))


def distance(
    rng: np.random.Generator, kernel: Callable[[np.ndarray, np.ndarray], np.ndarray], confidence: float
) -> Measured:
    of_prompt = rng.standard_normal((60, 6))
    return measure_distances(
        candidate=pictures(rng, of_prompt, SIDES[0]), base=pictures(rng, of_prompt, SIDES[1]),
        reference=rng.standard_normal((69, 6)), prompts=PROMPTS, reference_groups=np.arange(69), kernel=kernel,
        confidence=confidence,
    ).improvement  # fmt: skip


def distance_truth(kernel: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> float:
    """The whole set's own expectation: pairs of one prompt resemble each other and count as they do in the set."""
    rng = np.random.default_rng(99)
    return float(np.mean([distance(rng, kernel, 0.95).estimate for _ in range(3000)]))


def spread(rng: np.random.Generator, scale: float) -> np.ndarray:
    of_prompt = rng.standard_normal((60, 32))
    return 1.0 + scale * (0.7 * of_prompt[PROMPTS] + math.sqrt(1 - 0.49) * rng.standard_normal((120, 32)))


def ratio(rng: np.random.Generator, confidence: float) -> Measured:
    return vendi_ratio(spread(rng, 1.0), spread(rng, 0.6), PROMPTS, confidence)


if __name__ == "__main__":
    main()
