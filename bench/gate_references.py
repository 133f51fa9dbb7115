"""Our set metrics beside their references on the same features: agreement, and the time of each.

    uv pip install --target DIR --no-deps torch-fidelity==0.4.0 vendi-score==0.0.3 torchvision==0.28.0 \
        scikit-learn joblib threadpoolctl cloudpickle narwhals
    OMP_NUM_THREADS=1 PYTHONPATH=DIR python bench/gate_references.py [--n 1000] [--dimensions 1280]

The references are no part of the lock files: torchvision and scikit-learn come with them, and nothing else needs those.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "gpu-worker" / "src"))

from plein_air.evaluation.diversity import vendi
from plein_air.evaluation.set_distances import gaussian_kernel, kid_kernel, mmd2


def main() -> None:
    """Prints a line a metric."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--dimensions", type=int, default=1280)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    rng = np.random.default_rng(asked.seed)
    ours = np.abs(rng.standard_normal((asked.n, asked.dimensions)))
    real = np.abs(rng.standard_normal((asked.n, asked.dimensions)) + 0.1)
    compare("KID, torch-fidelity", lambda: mmd2(ours, real, kid_kernel), lambda: fidelity(ours, real))
    unit = [a / np.linalg.norm(a, axis=1, keepdims=True) for a in (ours, real)]
    compare(
        "CMMD, scipy's pairwise distances in float64",
        lambda: mmd2(unit[0], unit[1], gaussian_kernel(10.0)),
        lambda: pairwise(unit[0], unit[1], 10.0),
    )
    few = [a[: min(200, asked.n)] for a in unit]
    compare(
        "CMMD, its formula in exact sums (n at most 200)",
        lambda: mmd2(few[0], few[1], gaussian_kernel(10.0)),
        lambda: formula(few[0], few[1], 10.0),
    )
    compare("Vendi, vendi-score", lambda: vendi(ours), lambda: vendi_package(ours))


def fidelity(ours: np.ndarray, real: np.ndarray) -> float:
    """One subset of everything: the whole-set U-statistic."""
    import torch
    from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, kid_features_to_metric

    found = kid_features_to_metric(
        torch.from_numpy(ours), torch.from_numpy(real), kid_subsets=1, kid_subset_size=len(ours), verbose=False,
        rng_seed=0, kid_kernel="poly", kid_kernel_poly_degree=3, kid_kernel_poly_gamma=None, kid_kernel_poly_coef0=1,
    )  # fmt: skip
    return float(found[KEY_METRIC_KID_MEAN])


def pairwise(ours: np.ndarray, real: np.ndarray, bandwidth: float) -> float:
    """The formula over scipy's distances: no matrix product, so no cancellation."""
    from scipy.spatial.distance import cdist, pdist

    def k(squared: np.ndarray) -> float:
        return float(np.exp(-squared / (2 * bandwidth**2)).mean())

    within = k(pdist(ours, "sqeuclidean")) + k(pdist(real, "sqeuclidean"))
    return within - 2 * k(cdist(ours, real, "sqeuclidean"))


def formula(ours: np.ndarray, real: np.ndarray, bandwidth: float) -> float:
    """Pair by pair in float64 with exact summation."""

    def k(a: np.ndarray, b: np.ndarray) -> float:
        return math.exp(-float(((a - b) ** 2).sum()) / (2 * bandwidth**2))

    def within(x: np.ndarray) -> float:
        return 2 * math.fsum(k(x[i], x[j]) for i in range(len(x)) for j in range(i)) / (len(x) * (len(x) - 1))

    across = math.fsum(k(a, b) for a in ours for b in real) / (len(ours) * len(real))
    return within(ours) + within(real) - 2 * across


def vendi_package(ours: np.ndarray) -> float:
    """By the Gram matrix, or its dual where that is smaller."""
    from vendi_score import vendi as reference

    return float(reference.score_X(ours) if len(ours) <= ours.shape[1] else reference.score_dual(ours))


def compare(name: str, ours: Callable[[], float], theirs: Callable[[], float]) -> None:
    """Values, relative difference, and the ratio of times (least of three)."""
    (a, mine), (b, other) = timed(ours), timed(theirs)
    print(
        f"{name}: {a:.12g} against {b:.12g}, relative difference {abs(a - b) / abs(b):.1e}; "
        f"{mine * 1000:.0f} ms against {other * 1000:.0f} ms, ratio {mine / other:.2f}",
        flush=True,
    )


def timed(work: Callable[[], float]) -> tuple[float, float]:
    work()
    times: list[float] = []
    value = 0.0
    for _ in range(3):
        started = time.perf_counter()
        value = work()
        times.append(time.perf_counter() - started)
    return value, min(times)


if __name__ == "__main__":
    main()
