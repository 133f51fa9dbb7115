"""Encoded pictures with their captions, as training takes them: packed latents and embeddings of one batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from plein_air.encoding.keys import latents_key, text_key
from plein_air.encoding.prepared import Picture, read_pictures
from plein_air.encoding.store import Store
from plein_air.families.family import Base, Grid

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Batch:
    """Tensors of one bucket's samples on the device."""

    #: Clean latents, packed: (samples, tokens, channels), fp32.
    latents: torch.Tensor
    #: Text sequence (samples, text tokens, width) and pooled vector (samples, width).
    sequence: torch.Tensor
    pooled: torch.Tensor
    grid: Grid


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

    def __init__(self, dataset: str, split: str, cache: Store, base: Base) -> None:
        """Looks every entry up, so that a missing one is found before training starts."""
        import torch

        self.pictures: dict[str, Picture] = {p.id: p for p in read_pictures(dataset, split)}
        self._base = base
        self._device = base.device
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
        return self._base.tokens(width, height)

    def caption(self, sample_id: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Text sequence (tokens, width) and pooled vector (width,) of a picture's caption, on the device."""
        text = self._texts[self.pictures[sample_id].caption]
        return text["sequence"].to(self._device), text["pooled"].to(self._device)

    def batch(self, choices: list[Choice]) -> Batch:
        """Stacks samples of one bucket; a picture that may not be mirrored never is."""
        entries = [self._latents[c.id] for c in choices]
        chosen = [_view(entry, choice) for choice, entry in zip(choices, entries, strict=True)]
        texts = [self._texts[self.pictures[c.id].caption if c.captioned else ""] for c in choices]
        latents, grid = self._base.pack(self._stack(chosen).to(self._device))
        return Batch(
            latents=latents,
            sequence=self._stack([t["sequence"] for t in texts]).to(self._device),
            pooled=self._stack([t["pooled"] for t in texts]).to(self._device),
            grid=grid,
        )


def _view(entry: dict[str, torch.Tensor], choice: Choice) -> torch.Tensor:
    side = "mirrored" if choice.mirrored and "mirrored" in entry else "plain"
    views = [name for name in (side, f"{side}-first", f"{side}-last") if name in entry]
    return entry[views[int(choice.crop * len(views))]]
