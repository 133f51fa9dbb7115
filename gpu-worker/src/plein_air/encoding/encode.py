"""The verb `encode`: fills the cache with what a training will look at, and leaves alone what is there."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from plein_air.dataset.choices import CROPS, Draws, View
from plein_air.dataset.needs import needs_of
from plein_air.dataset.prepared import Picture, read_images, read_pictures
from plein_air.encoding.keys import Keys, latents_dtype
from plein_air.encoding.pixels import crop_of, pixels_of, same_crop
from plein_air.encoding.store import Entry, Store, bytes_of
from plein_air.errors import Stopped, TrainerError
from plein_air.families import open_base
from plein_air.families.family import Base
from plein_air.loading import LoadOptions
from plein_air.protocol.channel import Emitter
from plein_air.protocol.decode import decode

PACK_ENTRIES = 64
PACK_BYTES = 64 * 2**20
"""A pack is written when it has so many entries or bytes: what a preemption can cost."""
_READ_AHEAD = 32
"""Pictures whose encoded bytes are read at once, so that each row group of the dataset is read few times."""


@dataclass(frozen=True)
class EncodeParams:
    """Parameters of `encode`; see `EncodeParams` in the protocol."""

    base: str
    dataset: str
    out: str
    training: Draws
    stop_at_step: int | None

    def draws(self) -> Draws:
        """The draws of the steps that this attempt takes at most."""
        steps = self.training.steps
        return replace(self.training, steps=steps if self.stop_at_step is None else min(steps, self.stop_at_step))


def run(params: dict[str, Any], emit: Emitter, stop: threading.Event) -> dict[str, Any]:
    """Encodes every view and caption that the training's steps and measurements ask for, pack by pack."""
    wanted = decode(EncodeParams, params)
    train, held_out = (read_pictures(wanted.dataset, split) for split in ("train", "held_out"))
    needs = needs_of(wanted.draws(), train, held_out)
    base = open_base(wanted.base, LoadOptions.of(params["training"]))
    store, keys = Store(wanted.out), Keys(base)
    captions = {keys.text(caption): caption for caption in sorted(needs.captions)}
    new_captions = {key: caption for key, caption in captions.items() if key not in store}
    pictures = [(p, sorted(needs.views[p.id])) for p in [*train, *held_out] if p.id in needs.views]
    new_pictures = [(p, [v for v in views if keys.latents(p, v) not in store]) for p, views in pictures]
    new_pictures = [(p, views) for p, views in new_pictures if views]
    if base.device.type == "cuda" and (new_pictures or new_captions):
        base.release("transformer")
    packs = _Packs(store, emit, stop)
    packs.fill("captions", len(new_captions), _captions(base, new_captions))
    base.release("text")
    new_views = sum(len(views) for _, views in new_pictures)
    packs.fill("latents", new_views, _latents(base, keys, store, new_pictures))
    base.release("vae")
    views = sum(len(views) for _, views in pictures)
    return {
        "views": views,
        "captions": len(captions),
        "reused": views + len(captions) - new_views - len(new_captions),
        "bytes": packs.written,
    }


class _Packs:
    """Collects entries into packs, each on the disk under its final name as soon as it is full: the worker shares it."""

    def __init__(self, store: Store, emit: Emitter, stop: threading.Event) -> None:
        self._store, self._emit, self._stop = store, emit, stop
        self.written = 0

    def fill(self, stage: str, total: int, entries: Iterable[tuple[str, Entry]]) -> None:
        """Writes all entries; when asked to stop, those encoded so far."""
        open_pack: dict[str, Entry] = {}
        for done, (key, entry) in enumerate(entries, 1):
            open_pack[key] = entry
            self._emit.progress(stage, done, total)
            if self._stop.is_set():
                self._write(open_pack)
                raise Stopped
            if len(open_pack) >= PACK_ENTRIES or bytes_of(open_pack) >= PACK_BYTES:
                self._write(open_pack)
                open_pack = {}
        self._write(open_pack)

    def _write(self, entries: dict[str, Entry]) -> None:
        if not entries:
            return
        self.written += self._store.write(entries)


def _captions(base: Base, captions: dict[str, str]) -> Iterator[tuple[str, Entry]]:
    for key, caption in captions.items():
        sequence, pooled = base.encode_prompt(caption)
        yield key, {"sequence": sequence.to("cpu"), "pooled": pooled.to("cpu")}


def _latents(
    base: Base, keys: Keys, store: Store, pictures: list[tuple[Picture, list[View]]]
) -> Iterator[tuple[str, Entry]]:
    dtype = latents_dtype(base)
    for start in range(0, len(pictures), _READ_AHEAD):
        group = pictures[start : start + _READ_AHEAD]
        images = read_images([picture for picture, _ in group])
        for picture, views in group:
            pixels = pixels_of(picture, images[picture.id])
            # Crops of a picture that is hardly larger than its bucket are one and the same: encoded once.
            encoded: dict[View, Any] = {}
            for view in views:
                same = View(view.mirrored, same_crop(pixels, picture, view))
                if same not in encoded:
                    twin = next((key for key in _twins(keys, pixels, picture, same) if key in store), None)
                    # One picture at a time: its latents must not depend on which others were encoded with it.
                    encoded[same] = (
                        _kept(base.encode_image(crop_of(pixels, picture, same)).to("cpu"), dtype, picture)
                        if twin is None
                        else store.read(twin)["latents"]
                    )
                yield keys.latents(picture, view), {"latents": encoded[same]}


def _twins(keys: Keys, pixels: Any, picture: Picture, view: View) -> list[str]:
    """Addresses of the views that show the very same window."""
    views = (View(view.mirrored, crop) for crop in range(CROPS))
    return [keys.latents(picture, v) for v in views if same_crop(pixels, picture, v) == view.crop]


def _kept(latents: Any, dtype: Any, picture: Picture) -> Any:
    kept = latents.to(dtype)
    if not bool(kept.isfinite().all()):
        raise TrainerError(
            "BadData",
            f"Expected finite latents of picture {picture.id}, got NaN, infinity or values beyond {dtype}: "
            "check the base's VAE, or train with training.precision=fp32.",
        )
    return kept
