"""What only a CUDA device can show; skipped openly where there is none. Figures at full size: python -m plein_air.gpu_check."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from conftest import NoEvents
from plein_air.atomic_io import sha256_file
from plein_air.training import train
from process import TrainerProcess


def has_cuda() -> bool:
    import torch

    return torch.cuda.is_available()


pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not has_cuda(), reason="needs a CUDA device, and there is none")]

SETTINGS: dict[str, dict[str, Any]] = {
    "bf16": {"precision": "bf16"},
    "fp16": {"precision": "fp16"},
    "NF4": {"precision": "bf16", "quantization": "nf4", "gradientCheckpointing": True},
    "int8": {"precision": "bf16", "quantization": "int8", "gradientCheckpointing": True},
    "fp8": {"precision": "bf16", "quantization": "fp8", "gradientCheckpointing": True},
    "offloaded": {"precision": "bf16", "offloadBlocks": 2, "gradientCheckpointing": True},
    "8 bit AdamW": {"optimizer": "adamw-8bit", "rank": 128, "targets": "attention"},
    "Prodigy": {"optimizer": "prodigy", "learningRate": 1},
    "compiled": {"precision": "bf16", "compile": True},
    "flash": {"precision": "bf16", "attention": "flash"},
    "memory-efficient": {"precision": "bf16", "attention": "memory-efficient"},
}


def run(params: dict[str, Any], out: Path, settings: dict[str, Any], **more: Any) -> dict[str, Any]:
    training = {**params["training"], "heldOutEvery": 2, "sampleEvery": 2, **settings}
    request = {**params, "out": str(out), "training": training, **more}
    return train.run(request, NoEvents(), threading.Event())  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_resuming_on_the_gpu_changes_no_byte(train_params, tmp_path, settings):
    whole = run(train_params, tmp_path / "whole", settings)
    half = run(train_params, tmp_path / "half", settings, stopAtStep=3)
    resumed = run(train_params, tmp_path / "resumed", settings, resumeFrom=half["checkpoint"])

    def hashes(checkpoint: str) -> dict[str, str]:
        return {file.name: sha256_file(file) for file in Path(checkpoint).iterdir()}

    assert hashes(resumed["checkpoint"]) == hashes(whole["checkpoint"])


@pytest.mark.parametrize("kind", ["blip", "chat"])
def test_captions_on_the_gpu_are_the_same_words_each_time(kind, tmp_path):
    import numpy as np
    from PIL import Image

    import small_captioners
    from painted_sets import strokes
    from plein_air import session
    from plein_air.captioning import caption

    model = getattr(small_captioners, kind)(tmp_path / kind)
    pictures = [{"id": str(i), "path": str(tmp_path / f"{i}.png")} for i in range(5)]
    for i, picture in enumerate(pictures):
        Image.fromarray(np.asarray(strokes(i))).save(picture["path"])
    params = {"model": str(model), "repo": "some/model", "commit": "c" * 40, "pictures": pictures,
              "prompt": "Describe the garden", "maxTokens": 12, "batchSize": 2}  # fmt: skip
    first = caption.run(params, NoEvents(), threading.Event())
    session.forget_all()
    assert caption.run(params, NoEvents(), threading.Event()) == first
    assert all(told["text"] for told in first["captions"])


def test_two_gpus_train_to_the_bytes_of_one(train_params, tmp_path, monkeypatch):
    import torch

    if torch.cuda.device_count() < 2:
        pytest.skip("needs two CUDA devices")
    alone = run(train_params, tmp_path / "alone", {"precision": "bf16"})
    monkeypatch.setenv("PLEIN_AIR_TRAINER_PROCESSES", "2")
    params = {**train_params, "training": {**train_params["training"], "precision": "bf16"}}
    with TrainerProcess() as trainer:
        answer = trainer.call("train", {**params, "out": str(tmp_path / "together")})
    assert answer["event"] == "result", answer
    assert answer["result"]["adapterSha256"] == alone["adapterSha256"]


def test_vae_and_encoders_have_left_the_gpu_when_training_begins(train_params, tmp_path, monkeypatch):
    from plein_air import session
    from plein_air.training.trainer import Trainer

    held: list[set[str]] = []
    plain = Trainer.run

    def watched(self: Trainer, stop: threading.Event) -> dict[str, Any]:
        held.append({part for loaded in session._models.values() for part in loaded})
        return plain(self, stop)

    monkeypatch.setattr(Trainer, "run", watched)
    run(train_params, tmp_path, {})
    assert held == [{"transformer"}]
