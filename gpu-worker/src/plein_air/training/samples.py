"""Encoded pictures with their captions, as training takes them: packed latents and embeddings of one batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from plein_air.base import FluxBase
from plein_air.encoding.keys import latents_key, text_key
from plein_air.encoding.prepared import Picture, read_pictures
from plein_air.encoding.store import Store

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Batch:
    """Tensors of one bucket's samples on the device."""

    #: Clean latents, packed: (samples, tokens, 64), fp32.
    latents: torch.Tensor
    #: T5 sequence (samples, text tokens, width) and CLIP pooled (samples, width).
    sequence: torch.Tensor
    pooled: torch.Tensor
    #: Rows and columns of the packed latents.
    rows: int
    columns: int


@dataclass(frozen=True)
class Choice:
    """One sample of a batch: which picture, mirrored or not, with its caption or without."""

    id: str
    mirrored: bool
    captioned: bool
    #: Which of the picture's crops, a number in [0, 1): the first, which is the central one, or one of the others.
    crop: float = 0.0


class Samples:
    """The pictures of a split, each bound to its own latents and to its own caption by content address."""

    def __init__(self, dataset: str, split: str, cache: Store, base: FluxBase) -> None:
        """Looks every entry up, so that a missing one is found before training starts."""
        import torch

        self.pictures: dict[str, Picture] = {p.id: p for p in read_pictures(dataset, split)}
        self._device = base.device
        config = base.vae_config()
        self._shift = float(config["shift_factor"])
        self._scale = float(config["scaling_factor"])
        self._latents = {p.id: cache.read(latents_key(p, base)) for p in self.pictures.values()}
        self._texts = {c: cache.read(text_key(c, base)) for c in {"", *(p.caption for p in self.pictures.values())}}
        self._stack = torch.stack

    def buckets(self) -> dict[str, list[str]]:
        """Ids by size, such as `128x112`."""
        found: dict[str, list[str]] = {}
        for picture in self.pictures.values():
            found.setdefault(f"{picture.width}x{picture.height}", []).append(picture.id)
        return found

    def tokens(self, bucket: str) -> int:
        """Packed latents of a picture of a bucket."""
        width, height = map(int, bucket.split("x"))
        return (width // 16) * (height // 16)

    def caption(self, sample_id: str) -> tuple[torch.Tensor, torch.Tensor]:
        """T5 sequence (tokens, width) and CLIP pooled (width,) of a picture's caption, on the device."""
        text = self._texts[self.pictures[sample_id].caption]
        return text["sequence"].to(self._device), text["pooled"].to(self._device)

    def batch(self, choices: list[Choice]) -> Batch:
        """Stacks samples of one bucket; a picture that may not be mirrored never is."""
        entries = [self._latents[c.id] for c in choices]
        chosen = [_view(entry, choice) for choice, entry in zip(choices, entries, strict=True)]
        texts = [self._texts[self.pictures[c.id].caption if c.captioned else ""] for c in choices]
        latents = self._stack(chosen).to(self._device)
        return Batch(
            latents=pack_latents((latents - self._shift) * self._scale),
            sequence=self._stack([t["sequence"] for t in texts]).to(self._device),
            pooled=self._stack([t["pooled"] for t in texts]).to(self._device),
            rows=latents.shape[2] // 2,
            columns=latents.shape[3] // 2,
        )


def _view(entry: dict[str, torch.Tensor], choice: Choice) -> torch.Tensor:
    side = "mirrored" if choice.mirrored and "mirrored" in entry else "plain"
    views = [name for name in (side, f"{side}-first", f"{side}-last") if name in entry]
    return entry[views[int(choice.crop * len(views))]]


def pack_latents(latents: torch.Tensor) -> torch.Tensor:
    """(n, channels, height, width) to (n, height/2 * width/2, channels * 4), each token a 2x2 patch, as FluxPipeline packs."""
    count, channels, height, width = latents.shape
    patches = latents.view(count, channels, height // 2, 2, width // 2, 2).permute(0, 2, 4, 1, 3, 5)
    return patches.reshape(count, (height // 2) * (width // 2), channels * 4)


def image_ids(rows: int, columns: int, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """Positions of the packed latents: (rows * columns, 3), each [0, row, column]."""
    import torch

    ids = torch.zeros(rows, columns, 3, device=device, dtype=dtype)
    ids[..., 1] += torch.arange(rows, device=device, dtype=dtype)[:, None]
    ids[..., 2] += torch.arange(columns, device=device, dtype=dtype)[None, :]
    return ids.view(rows * columns, 3)
