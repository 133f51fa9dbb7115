"""The verb `encode`: fills the cache with what training needs, and leaves alone what is there."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from plein_air.encoding.keys import latents_key, text_key
from plein_air.encoding.prepared import Picture, read_images, read_pictures
from plein_air.encoding.store import Entry, Store
from plein_air.errors import Stopped, TrainerError
from plein_air.families import open_base
from plein_air.families.family import Base
from plein_air.loading import LoadOptions
from plein_air.protocol.channel import Emitter
from plein_air.protocol.decode import decode

if TYPE_CHECKING:
    import torch

PACK_ENTRIES = 64
"""Entries a pack: what a preemption can cost, and how many files a dataset makes."""


@dataclass(frozen=True)
class EncodeParams:
    """Parameters of `encode`; see `EncodeParams` in the protocol."""

    base: str
    dataset: str
    out: str
    resolution: int
    splits: tuple[str, ...]


def run(params: dict[str, Any], emit: Emitter, stop: threading.Event) -> dict[str, Any]:
    """Encodes every picture and caption of the splits, and the empty caption that dropout uses."""
    wanted = decode(EncodeParams, params)
    pictures = [picture for split in wanted.splits for picture in read_pictures(wanted.dataset, split)]
    captions = sorted({"", *(picture.caption for picture in pictures)})
    # The encoders have a precision of their own; this one is the transformer's, which is not used here.
    base = open_base(wanted.base, LoadOptions("fp32"))
    store = Store(wanted.out)
    new_pictures = {latents_key(p, base): p for p in pictures if latents_key(p, base) not in store}
    new_captions = {text_key(c, base): c for c in captions if text_key(c, base) not in store}
    if base.device.type == "cuda" and (new_pictures or new_captions):
        base.release("transformer")
    written = _write_packs(
        store, list(new_captions.items()), "captions", emit, stop, lambda group: _encode_captions(base, group)
    )
    base.release("text")
    # In file order, so that a pack reads few row groups.
    written += _write_packs(
        store, list(new_pictures.items()), "latents", emit, stop, lambda group: _encode_pictures(base, group)
    )
    base.release("vae")
    asked = len({p.id for p in pictures}) + len(captions)
    return {
        "images": len(pictures),
        "captions": len(captions),
        "reused": asked - len(new_pictures) - len(new_captions),
        "bytes": written,
    }


def _write_packs(
    store: Store,
    items: list[tuple[str, Any]],
    stage: str,
    emit: Emitter,
    stop: threading.Event,
    encode: Callable[[list[tuple[str, Any]]], Iterator[tuple[str, Entry]]],
) -> int:
    written = 0
    for start in range(0, len(items), PACK_ENTRIES):
        entries: dict[str, Entry] = {}
        for key, entry in encode(items[start : start + PACK_ENTRIES]):
            if stop.is_set():
                raise Stopped
            entries[key] = entry
            emit.progress(stage, start + len(entries), len(items))
        written += store.write(entries)
    return written


def _encode_captions(base: Base, pack: list[tuple[str, str]]) -> Iterator[tuple[str, Entry]]:
    for key, caption in pack:
        sequence, pooled = base.encode_prompt(caption)
        yield key, {"sequence": sequence.to("cpu"), "pooled": pooled.to("cpu")}


def _encode_pictures(base: Base, pack: list[tuple[str, Picture]]) -> Iterator[tuple[str, Entry]]:
    images = read_images([picture for _, picture in pack])
    for key, picture in pack:
        pixels = _pixels(picture, images[picture.id]).to(base.device)
        entry: Entry = {}
        for suffix, crop in crops(pixels, picture.width, picture.height).items():
            flips = {"plain": crop, "mirrored": crop.flip(-1)} if picture.flip_allowed else {"plain": crop}
            for name, flip in flips.items():
                # One picture at a time: its latents must not depend on which others were encoded with it.
                entry[name + suffix] = base.encode_image(flip).to("cpu")
        yield key, entry


MIN_SURPLUS = 16
"""Pixels beyond the bucket along a side from which on crops at both ends are encoded besides the central one."""


def crops(pixels: torch.Tensor, width: int, height: int) -> dict[str, torch.Tensor]:
    """Windows of the bucket's size in (3, rows, columns) pixels that cover it: the central one, and those at both ends."""
    down, across = pixels.shape[1] - height, pixels.shape[2] - width
    places = {"": (down // 2, across // 2)}
    if max(down, across) >= MIN_SURPLUS:
        places |= {"-first": (0, 0), "-last": (down, across)}
    return {
        suffix: pixels[:, top : top + height, left : left + width].contiguous()
        for suffix, (top, left) in places.items()
    }


def _pixels(picture: Picture, data: bytes) -> torch.Tensor:
    import numpy as np
    import torch
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            array = np.asarray(image.convert("RGB"), dtype=np.float32)
    except OSError as error:
        raise TrainerError(
            "BadData", f"Expected a picture in row {picture.row} of {picture.file}, got: {error}"
        ) from error
    if array.shape[0] < picture.height or array.shape[1] < picture.width:
        raise TrainerError(
            "BadData",
            f"Expected picture {picture.id} to cover {picture.width}x{picture.height}, got {array.shape[1]}x{array.shape[0]}: "
            "prepare the dataset again.",
        )
    return torch.from_numpy(array).permute(2, 0, 1).div(127.5).sub(1.0).contiguous()
