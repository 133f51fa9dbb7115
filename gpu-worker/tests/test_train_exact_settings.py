"""Exact resume under every setting that changes how a step is computed, from the middle of an accumulation and an epoch."""

from __future__ import annotations

import random
import threading
from pathlib import Path
from typing import Any

import pytest

from conftest import NoEvents
from plein_air.atomic_io import sha256_file
from plein_air.training import train
from plein_air.training.trainer import Trainer

SETTINGS: dict[str, dict[str, Any]] = {
    "bf16": {"precision": "bf16"},
    "fp16 with a loss scale": {"precision": "fp16"},
    "no accumulation and no average": {"accumulation": 1, "ema": 0},
    "three micro-steps a step, every caption left out": {"accumulation": 3, "captionDropout": 1},
    "gradient checkpointing": {"gradientCheckpointing": True},
    "two blocks on the host": {"offloadBlocks": 2, "gradientCheckpointing": True},
    "NF4": {"precision": "bf16", "quantization": "nf4"},
    "NF4 in fp16 with checkpointing": {"precision": "fp16", "quantization": "nf4", "gradientCheckpointing": True},
    "int8": {"precision": "bf16", "quantization": "int8"},
    "fp8": {"precision": "bf16", "quantization": "fp8", "gradientCheckpointing": True},
    "AdamW with 8 bit moments": {"optimizer": "adamw-8bit", "rank": 128, "targets": "attention"},
    "Prodigy": {"optimizer": "prodigy", "learningRate": 1},
    "one attention kernel": {"attention": "math"},
    "validation images and early stopping": {"heldOutEvery": 1, "sampleEvery": 1, "earlyStopping": 3},
    "rex": {"schedule": "rex"},
}


def hashes(checkpoint: str) -> dict[str, str]:
    return {file.name: sha256_file(file) for file in sorted(Path(checkpoint).iterdir())}


def with_settings(params: dict[str, Any], out: Path, **settings: Any) -> dict[str, Any]:
    return {**params, "out": str(out), "training": {**params["training"], "steps": 4, "scheduleSteps": 4, **settings}}


def run(params: dict[str, Any], stop: threading.Event | None = None) -> dict[str, Any]:
    return train.run(params, NoEvents(), stop or threading.Event())


def run_until(params: dict[str, Any], micro_step: int, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Asks to stop right behind a micro-step."""
    stop, plain = threading.Event(), Trainer._micro_step

    def stopping(self: Trainer) -> None:
        plain(self)
        if self.state.micro_step == micro_step:
            stop.set()

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_micro_step", stopping)
        return run(params, stop)


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_stopping_at_a_micro_step_and_resuming_elsewhere_changes_no_byte(train_params, tmp_path, monkeypatch, settings):
    whole = run(with_settings(train_params, tmp_path / "whole", **settings))
    stopped = run_until(with_settings(train_params, tmp_path / "stopped", **settings), 3, monkeypatch)
    assert (stopped["outcome"], stopped["microStep"]) == ("stopped", 3)
    random.seed(1)
    params = with_settings(train_params, tmp_path / "resumed", **settings)
    resumed = run({**params, "resumeFrom": stopped["checkpoint"]})
    assert resumed["step"] == whole["step"]
    assert hashes(resumed["checkpoint"]) == hashes(whole["checkpoint"])
    assert whole["heldOutLoss"] > 0


@pytest.mark.parametrize("ways", [{"gradientCheckpointing": True}, {"offloadBlocks": 3, "gradientCheckpointing": True}])
def test_saving_memory_changes_no_byte_of_the_adapter(train_params, tmp_path, monkeypatch, ways):
    from plein_air import loading, session

    monkeypatch.setattr(session, "_models", {})
    # On a CPU everything is "on the device": copies are forced so that the way through the host is really taken.
    brought: list[str] = []

    def tensors(block: Any) -> list[tuple[str, Any]]:
        return [(n, Elsewhere(t)) for n, t in block.named_parameters() if ".lora_" not in n]

    class Elsewhere:
        device = "elsewhere"

        def __init__(self, tensor: Any) -> None:
            self.tensor = tensor

    def bring(tensor: Any, _device: Any) -> Any:
        brought.append("one")
        return tensor.tensor.clone()

    monkeypatch.setattr(loading, "_tensors", tensors)
    monkeypatch.setattr(loading, "_bring", bring)
    plain = run(with_settings(train_params, tmp_path / "plain"))
    assert not brought
    saving = run(with_settings(train_params, tmp_path / "saving", **ways))
    assert saving["adapterSha256"] == plain["adapterSha256"]
    assert bool(brought) == ("offloadBlocks" in ways)


def test_no_step_draws_from_a_global_random_state_and_none_can_change_a_byte(
    train_params, whole_run, tmp_path, monkeypatch
):
    import numpy as np
    import torch

    seen: list[list[Any]] = []
    plain = Trainer.run

    def states() -> list[Any]:
        return [torch.get_rng_state().tolist(), str(np.random.get_state()), random.getstate()]

    def watched(self: Trainer, stop: threading.Event) -> dict[str, Any]:
        seen.append(states())
        try:
            return plain(self, stop)
        finally:
            seen.append(states())

    monkeypatch.setattr(Trainer, "run", watched)
    sampled = {**train_params["training"], "sampleEvery": 3}
    again = run({**train_params, "out": str(tmp_path / "again"), "training": sampled})
    assert seen[0] == seen[1]
    torch.manual_seed(99)
    np.random.seed(99)
    random.seed(99)
    assert run({**train_params, "out": str(tmp_path / "third")})["adapterSha256"] == again["adapterSha256"]
    assert again["adapterSha256"] == whole_run["adapterSha256"]


def test_an_8_bit_optimizer_really_keeps_8_bit_moments(train_params, tmp_path):
    from plein_air.tensor_file import read_tensors

    settings = {"optimizer": "adamw-8bit", "rank": 128, "targets": "attention"}
    done = run(with_settings(train_params, tmp_path, **settings))
    tensors = read_tensors(Path(done["checkpoint"]) / "optimizer.safetensors")
    assert {str(t.dtype) for n, t in tensors.items() if n.endswith("state1")} == {"torch.uint8"}


def test_prodigy_finds_a_rate_of_its_own(train_params, tmp_path):
    events = NoEvents()
    settings = {"optimizer": "prodigy", "learningRate": 1, "schedule": "constant", "warmupSteps": 0}
    train.run(
        with_settings(train_params, tmp_path, **{**settings, "steps": 12, "scheduleSteps": 12}),
        events,
        threading.Event(),
    )
    rates = [values["learningRate"] for _, values in events.metrics if "learningRate" in values]
    assert rates[-1] > 2 * rates[0] > 0
