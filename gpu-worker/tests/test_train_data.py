"""Every picture meets its own latents and its own caption, whatever the order, and however the cache lies on disk."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from conftest import TRAINING, NoEvents
from plein_air.dataset.needs import buckets_of
from plein_air.dataset.order import Order
from plein_air.dataset.prepared import read_images, read_pictures
from plein_air.encoding import encode
from plein_air.encoding.pixels import pixels_of
from plein_air.encoding.store import Store
from plein_air.families import open_base
from plein_air.families.flux1.packing import pack_latents
from plein_air.families.flux1.velocity import FluxVelocity
from plein_air.loading import LoadOptions
from plein_air.protocol.decode import decode
from plein_air.training import train
from plein_air.training.objective import Objective
from plein_air.training.samples import Samples
from plein_air.training.settings import Training

MICRO_STEPS = 120


def encode_to(out: Path, base: Path, dataset: Path) -> Path:
    params = {
        "base": str(base),
        "dataset": str(dataset),
        "out": str(out),
        "training": TRAINING,
        "stopAtStep": None,
    }
    encode.run(params, NoEvents(), threading.Event())  # pyright: ignore[reportArgumentType]
    return out


def test_over_shuffled_epochs_no_latents_meet_another_pictures_caption(small_base, dataset, cache):
    """Against tensors encoded here and now from each picture's own bytes and caption, without the cache."""
    import torch

    from plein_air.dataset.choices import Choice

    base = open_base(str(small_base), LoadOptions("fp32"))
    pictures = {p.id: p for p in read_pictures(str(dataset), "train")}
    images = read_images(list(pictures.values()))
    config = base.vae_config()
    own: dict[str, tuple[Any, Any]] = {}
    with torch.no_grad():
        for picture in pictures.values():
            latents = base.vae().encode(pixels_of(picture, images[picture.id])[None]).latent_dist.mode()
            scaled = (latents - config["shift_factor"]) * config["scaling_factor"]
            own[picture.id] = (pack_latents(scaled)[0], base.encode_prompt(picture.caption))
    samples = Samples(str(dataset), "train", Store(cache), base)
    settings = decode(Training, TRAINING)
    order = Order(buckets_of(samples.pictures.values()), settings.batch_size, settings.seed)
    mismatches, seen, batches = 0, set(), set()
    for micro_step in range(MICRO_STEPS):
        _, ids = order.batch(micro_step)
        batch = samples.batch([Choice(i, mirrored=False, captioned=True) for i in ids])
        batches.add(ids)
        for slot, sample_id in enumerate(ids):
            latents, (sequence, pooled) = own[sample_id]
            same = batch.latents[slot].equal(latents) and batch.sequence[slot].equal(sequence)
            mismatches += not (same and batch.pooled[slot].equal(pooled))
            seen.add(sample_id)
    assert mismatches == 0
    assert seen == set(pictures)
    assert len(batches) > MICRO_STEPS // 4
    every = [tensor for tensor, _ in own.values()]
    assert not any(a.shape == b.shape and a.equal(b) for i, a in enumerate(every) for b in every[:i])


def test_the_order_of_rows_and_the_packs_of_the_cache_change_no_byte(
    train_params, whole_run, small_base, dataset, tmp_path, monkeypatch
):
    """There are no data workers: a batch is read where it is used. What could differ is how the files lie."""
    import pyarrow.parquet as parquet

    (tmp_path / "dataset" / "data").mkdir(parents=True)
    for file in (dataset / "data").iterdir():
        table = parquet.read_table(file)
        backwards = table.take(list(range(table.num_rows))[::-1])
        parquet.write_table(backwards, tmp_path / "dataset" / "data" / file.name, row_group_size=1)
    monkeypatch.setattr(encode, "PACK_ENTRIES", 3)
    other = encode_to(tmp_path / "cache", small_base, tmp_path / "dataset")
    params = {**train_params, "dataset": str(tmp_path / "dataset"), "cache": str(other)}
    again = train.run(params, NoEvents(), threading.Event())  # pyright: ignore[reportArgumentType]
    assert again["adapterSha256"] == whole_run["adapterSha256"]


def test_the_loss_is_the_mean_square_against_noise_minus_picture(small_base, dataset, cache):
    import torch

    from plein_air.dataset.choices import Choice

    base = open_base(str(small_base), LoadOptions("fp32"))
    samples = Samples(str(dataset), "train", Store(cache), base)
    batch = samples.batch([Choice(next(iter(samples.pictures)), mirrored=False, captioned=True)])
    noise = torch.randn(batch.latents.shape, generator=torch.Generator().manual_seed(1))

    class Perfect:
        dtype = torch.float32
        config = base.transformer().config

        def __call__(self, **inputs: Any) -> tuple[Any]:
            assert torch.allclose(inputs["hidden_states"], 0.75 * batch.latents + 0.25 * noise)
            assert inputs["timestep"].tolist() == [0.25]
            return (noise - batch.latents,)

    assert Objective(FluxVelocity(Perfect(), 1.0)).losses(batch, [0.25], noise).tolist() == [0.0]
