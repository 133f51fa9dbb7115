"""Every precision with every quantization through the whole of a trainer's work: what one of them breaks shows here.

A combination is trained with validation images and held-out loss, exported, sampled from and evaluated.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import painted_sets
from conftest import NoEvents
from plein_air.evaluation import evaluate, sample
from plein_air.exporting import export
from plein_air.training import train

PRECISIONS = ("fp32", "bf16", "fp16")
QUANTIZATIONS = ("none", "nf4", "int8", "fp8")
COMBINATIONS = [
    *((precision, quantization, 0) for precision in PRECISIONS for quantization in QUANTIZATIONS),
    *((precision, "none", 2) for precision in PRECISIONS),
]
SAMPLES = [
    {"id": f"p{prompt}-s{seed}", "prompt": f"a garden {prompt}", "seed": seed}
    for prompt in range(2)
    for seed in range(2)
]


@pytest.fixture(scope="module")
def evaluation_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return painted_sets.write_dataset(tmp_path_factory.mktemp("evaluation"))


def is_picture(path: Path) -> bool:
    """Whether there is a picture that is more than one color."""
    with Image.open(path) as image:
        return float(np.asarray(image, dtype=np.float64).std()) > 1


@pytest.mark.parametrize(("precision", "quantization", "offload"), COMBINATIONS)
def test_a_combination_trains_measures_generates_and_is_evaluated(
    small_base, train_params, evaluation_dataset, tmp_path, precision, quantization, offload
):
    loading = {"precision": precision, "quantization": quantization, "offloadBlocks": offload}
    events = NoEvents()
    training = {"steps": 2, "scheduleSteps": 2, "warmupSteps": 0, "heldOutEvery": 1, "sampleEvery": 1, **loading}
    request = {**train_params, "training": {**train_params["training"], **training}}
    trained = train.run(request, events, threading.Event())  # pyright: ignore[reportArgumentType]

    assert trained["outcome"] == "done"
    losses = [values["heldOutLoss"] for _, values in events.metrics if "heldOutLoss" in values]
    assert len(losses) == 3
    assert np.isfinite(losses).all()
    assert not any("validationImagesFailed" in values for _, values in events.metrics)
    assert [told["step"] for told in events.samples] == [1, 2]
    assert all(is_picture(Path(told["path"])) for told in events.samples)

    about = {
        "title": "",
        "trigger": "",
        "author": "",
        "license": "",
        "base": "",
        "resolution": 64,
        "date": "2026-01-01",
    }
    wanted = {"checkpoint": trained["checkpoint"], "out": str(tmp_path / "adapter"), "formats": ["diffusers"],
              "about": about, "sabotage": "none"}  # fmt: skip
    adapter = export.run(wanted, NoEvents(), threading.Event())["files"][0]["path"]  # pyright: ignore[reportArgumentType]
    folders: list[str] = []
    for name, file in (("base", None), ("candidate", adapter)):
        folders.append(str(tmp_path / name))
        asked = {"base": str(small_base), "adapter": file, "adapterScale": 1, "samples": SAMPLES, "size": 64,
                 "inferenceSteps": 2, "guidance": 1, **loading, "out": folders[-1]}  # fmt: skip
        sample.run(asked, NoEvents(), threading.Event())
        assert all(is_picture(Path(folders[-1]) / f"{one['id']}.png") for one in SAMPLES)
    report = evaluated(small_base, adapter, evaluation_dataset, folders, tmp_path / "report")
    assert report["faults"] == {"base": {}, "candidate": {}}
    assert report["metrics"]["effect.pixels"]["estimate"] >= 0


def evaluated(base: Path, adapter: str, dataset: Path, folders: list[str], out: Path) -> dict[str, Any]:
    """The report of two sample folders."""
    samples = [
        {
            **one,
            "promptId": one["id"][:2],
            "genre": "landscape",
            "text": one["prompt"],
            "asks": None,
            "trigger": True,
            "sealed": False,
        }
        for one in SAMPLES
    ]
    params = {
        "base": str(base), "adapter": adapter, "dataset": str(dataset), "baseSamples": folders[0],
        "candidateSamples": folders[1], "rivals": [], "parity": None, "encoder": "efficientnet-lite0", "models": [],
        "reference": "held_out",
        "samples": samples, "heldOutLoss": 0.5, "confidence": 0.9, "seed": 1, "out": str(out),
    }  # fmt: skip
    told = evaluate.run(params, NoEvents(), threading.Event())
    return json.loads(Path(told["report"]).read_text())
