"""Encoding: only what a training looks at, pack by pack, so that a session that is taken away has lost a pack at most."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from conftest import TRAINING, NoEvents
from plein_air.dataset.choices import Draws, choice_of
from plein_air.dataset.needs import buckets_of, needs_of
from plein_air.dataset.order import Order
from plein_air.dataset.prepared import read_pictures
from plein_air.encoding import encode
from plein_air.encoding.store import Store
from plein_air.errors import Stopped, TrainerError
from plein_air.families.flux1.base import FluxBase
from plein_air.training import train


class Killed(BaseException):
    """What ends a process at once: nothing of ours runs after it."""


def request(base: Path, dataset: Path, out: Path, **training: Any) -> dict[str, Any]:
    return {"base": str(base), "dataset": str(dataset), "out": str(out), "training": {**TRAINING, **training},
            "stopAtStep": None}  # fmt: skip


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Grows by one with every pass through the VAE."""
    seen: list[Any] = []
    plain = FluxBase.encode_image

    def counted(self: FluxBase, pixels: Any) -> Any:
        seen.append(pixels.shape)
        return plain(self, pixels)

    monkeypatch.setattr(FluxBase, "encode_image", counted)
    return seen


def run(params: dict[str, Any], events: Any = None, stop: threading.Event | None = None) -> dict[str, Any]:
    return encode.run(params, events or NoEvents(), stop or threading.Event())


def packs(folder: Path) -> list[Path]:
    return list(folder.glob("pack-*.safetensors"))


def test_each_view_that_the_steps_draw_is_encoded_once_and_no_other(small_base, dataset, tmp_path, passes):
    params = request(small_base, dataset, tmp_path, steps=2, accumulation=1)
    done = run(params)
    train_pictures = {p.id: p for p in read_pictures(str(dataset), "train")}
    order = Order(buckets_of(train_pictures.values()), TRAINING["batchSize"], TRAINING["seed"])
    draws = Draws(TRAINING["seed"], 2, TRAINING["batchSize"], 1, TRAINING["flip"], TRAINING["captionDropout"])
    drawn = {
        (sample_id, choice_of(draws, step, slot, sample_id).view(train_pictures[sample_id]))
        for step in range(2)
        for slot, sample_id in enumerate(order.batch(step)[1])
    }
    # Besides: 8 training pictures whose loss is measured, and all 3 held-out ones.
    assert len(drawn) <= done["views"] <= len(drawn) + 8 + 3
    assert len(passes) <= done["views"]
    needs = needs_of(draws, list(train_pictures.values()), read_pictures(str(dataset), "held_out"))
    assert all(view in needs.views[sample_id] for sample_id, view in drawn)
    passes.clear()
    again = run(params)
    assert (again["reused"], again["bytes"], len(passes)) == (done["views"] + done["captions"], 0, 0)


def test_a_training_runs_on_just_what_was_encoded_for_it(train_params, whole_run, small_base, dataset, tmp_path):
    run(request(small_base, dataset, tmp_path / "cache"))
    own = {**train_params, "cache": str(tmp_path / "cache")}
    done = train.run(own, NoEvents(), threading.Event())  # pyright: ignore[reportArgumentType]
    assert done["adapterSha256"] == whole_run["adapterSha256"]


def test_a_view_that_is_missing_is_found_before_training_starts(train_params, small_base, dataset, tmp_path):
    run(request(small_base, dataset, tmp_path / "cache", steps=1))
    with pytest.raises(TrainerError, match="run encode again") as refused:
        train.run({**train_params, "cache": str(tmp_path / "cache")}, NoEvents(), threading.Event())  # pyright: ignore[reportArgumentType]
    assert refused.value.kind == "Corrupt"


@pytest.mark.parametrize("cut", [1, 3, 4, 5, 9, 14])
def test_a_killed_encoding_encodes_no_more_than_one_pack_twice(small_base, dataset, tmp_path, passes, monkeypatch, cut):
    monkeypatch.setattr(encode, "PACK_ENTRIES", 4)

    class Kill(NoEvents):
        def progress(self, stage: str, done: int, total: int) -> None:
            if stage == "latents" and done == cut:
                raise Killed

    params = request(small_base, dataset, tmp_path)
    with pytest.raises(Killed):
        run(params, Kill())
    done = run(params)
    assert len(passes) <= done["views"] + 4
    assert done["reused"] >= 4 * (cut // 4) - 4


def test_packs_are_written_while_encoding_continues_and_a_stop_keeps_what_was_encoded(
    small_base, dataset, tmp_path, passes, monkeypatch
):
    monkeypatch.setattr(encode, "PACK_ENTRIES", 4)
    stop = threading.Event()

    class StopAfter(NoEvents):
        def progress(self, stage: str, done: int, total: int) -> None:
            if stage == "latents" and done == 6:
                # Packs are on the disk while the next one is filled: the worker shares them.
                assert len(packs(tmp_path)) > 1
                stop.set()

    events = StopAfter()
    with pytest.raises(Stopped):
        run(request(small_base, dataset, tmp_path), events, stop)
    first = len(passes)
    run(request(small_base, dataset, tmp_path))
    total = len(passes)
    passes.clear()
    run(request(small_base, dataset, tmp_path / "other"))
    assert 0 < first < total == len(passes)


def test_a_pack_is_closed_when_it_has_enough_bytes(small_base, dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(encode, "PACK_BYTES", 1)
    done = run(request(small_base, dataset, tmp_path))
    assert len(packs(tmp_path)) == done["views"] + done["captions"]


def test_latents_are_kept_in_fp16_for_half_precision_alone_and_that_costs_less_than_bf16_itself(
    train_params, small_base, dataset, tmp_path, monkeypatch
):
    import torch

    from plein_air.encoding import keys

    def loss(precision: str, name: str) -> float:
        run(request(small_base, dataset, tmp_path / name, precision=precision))
        training = {**train_params["training"], "precision": precision}
        params = {
            **train_params,
            "training": training,
            "cache": str(tmp_path / name),
            "out": str(tmp_path / f"{name}-out"),
        }
        return train.run(params, NoEvents(), threading.Event())["heldOutLoss"]  # pyright: ignore[reportArgumentType]

    exact = loss("fp32", "fp32")
    half = loss("bf16", "fp16 latents")
    for name, size in (("fp32", 4), ("fp16 latents", 2)):
        store = Store(tmp_path / name)
        entries = [store.read(key) for key in store._pack_of]
        assert {e["latents"].dtype.itemsize for e in entries if "latents" in e} == {size}
    monkeypatch.setattr(keys, "latents_dtype", lambda _: torch.float32)
    monkeypatch.setattr(encode, "latents_dtype", lambda _: torch.float32)
    wide = loss("bf16", "fp32 latents")
    assert abs(half - wide) < 0.2 * max(abs(wide - exact), 1e-4 * exact)


def test_two_kinds_of_gpu_share_no_entry(small_base, dataset, tmp_path, passes, monkeypatch):
    from plein_air.encoding import keys

    run(request(small_base, dataset, tmp_path))
    first = len(passes)
    monkeypatch.setattr(keys, "device_kind", lambda _: "another GPU")
    assert run(request(small_base, dataset, tmp_path))["reused"] == 0
    assert len(passes) == 2 * first
