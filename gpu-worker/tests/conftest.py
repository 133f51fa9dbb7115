"""The small FLUX base, a prepared dataset and its cache, made once a session."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).parent))

import small_dataset
import small_flux
from plein_air.devices import prepare_torch

TRAINING: dict[str, Any] = {
    "seed": 7,
    "steps": 6,
    "batchSize": 2,
    "accumulation": 2,
    "learningRate": 1e-2,
    "schedule": "cosine",
    "scheduleSteps": 6,
    "warmupSteps": 2,
    "rank": 4,
    "alpha": 8,
    "targets": "attention+feed-forward",
    "optimizer": "adamw",
    "weightDecay": 0.01,
    "gradientClip": 1,
    "captionDropout": 0.3,
    "flip": 0.5,
    "timesteps": "logit-normal",
    "guidance": 1,
    "precision": "fp32",
    "quantization": "none",
    "offloadBlocks": 0,
    "gradientCheckpointing": False,
    "attention": "auto",
    "compile": False,
    "ema": 0.9,
    "checkpointEvery": 2,
    "heldOutEvery": 3,
    "sampleEvery": 0,
    "earlyStopping": 0,
    "resolution": 64,
}


class NoEvents:
    """An emitter that keeps what it is told."""

    def __init__(self) -> None:
        self.metrics: list[tuple[int, dict[str, float]]] = []
        self.checkpoints: list[dict[str, Any]] = []
        self.samples: list[dict[str, Any]] = []

    def progress(self, stage: str, done: int, total: int) -> None: ...

    def metric(self, step: int, values: dict[str, float]) -> None:
        self.metrics.append((step, values))

    def checkpoint(self, **fields: Any) -> None:
        self.checkpoints.append(fields)

    def sample(self, **fields: Any) -> None:
        self.samples.append(fields)


@pytest.fixture(scope="session")
def small_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    prepare_torch()
    return small_flux.build(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_dataset.write(tmp_path_factory.mktemp("dataset"))


@pytest.fixture(scope="session")
def cache(small_base: Path, dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import threading

    from plein_air.encoding import encode

    folder = tmp_path_factory.mktemp("cache")
    for precision in ("fp32", "bf16"):
        # So many steps look at every picture in every way; latents are kept in another type for half precision.
        params = {
            "base": str(small_base),
            "dataset": str(dataset),
            "out": str(folder),
            "training": {**TRAINING, "steps": 300, "precision": precision},
            "stopAtStep": None,
        }
        encode.run(params, NoEvents(), threading.Event())  # pyright: ignore[reportArgumentType]
    return folder


@pytest.fixture
def train_params(small_base: Path, dataset: Path, cache: Path, tmp_path: Path) -> dict[str, Any]:
    """Parameters of a short run with everything on that could break exactness."""
    return _params(small_base, dataset, cache, tmp_path / "out")


@pytest.fixture(scope="session")
def whole_run(small_base: Path, dataset: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Result of the run of `train_params` that nothing interrupts."""
    import threading

    from plein_air.training import train

    params = _params(small_base, dataset, cache, tmp_path_factory.mktemp("whole"))
    return train.run(params, NoEvents(), threading.Event())  # pyright: ignore[reportArgumentType]


def _params(base: Path, dataset: Path, cache: Path, out: Path) -> dict[str, Any]:
    return {
        "base": str(base),
        "baseCommit": "b" * 40,
        "datasetCommit": "d" * 40,
        "dataset": str(dataset),
        "cache": str(cache),
        "out": str(out),
        "resumeFrom": None,
        "acceptDifferences": [],
        "stopAtStep": None,
        "training": dict(TRAINING),
        "sampling": {"size": 64, "inferenceSteps": 2, "guidance": 1},
    }
