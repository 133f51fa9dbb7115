"""Encoded pictures with their captions, as training takes them: packed latents and embeddings of one batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from plein_air.dataset.choices import Choice
from plein_air.dataset.needs import Needs
from plein_air.dataset.prepared import Picture, read_pictures
from plein_air.encoding.keys import Keys
from plein_air.encoding.store import Entry, Store
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


class Samples:
    """The pictures of a split, each bound to its own latents and to its own caption by content address."""

    def __init__(self, dataset: str, split: str, cache: Store, base: Base) -> None:
        """Indexes the pictures; their entries are read where they are used."""
        import torch

        self.pictures: dict[str, Picture] = {p.id: p for p in read_pictures(dataset, split)}
        self._base = base
        self._device = base.device
        self._cache = cache
        self._keys = Keys(base)
        self._stack = torch.stack

    def check(self, needs: Needs) -> None:
        """Looks up what a training needs of this split, so that a missing entry is found before it starts."""
        for picture in self.pictures.values():
            for view in needs.views.get(picture.id, ()):
                self._cache.read(self._keys.latents(picture, view))
        for caption in needs.captions:
            self._cache.read(self._keys.text(caption))

    def tokens(self, bucket: str) -> int:
        """Packed latents of a picture of a bucket."""
        width, height = map(int, bucket.split("x"))
        return self._base.tokens(width, height)

    def caption(self, sample_id: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Text sequence (tokens, width) and pooled vector (width,) of a picture's caption, on the device."""
        text = self._text(self.pictures[sample_id].caption)
        return text["sequence"].to(self._device), text["pooled"].to(self._device)

    def batch(self, choices: list[Choice]) -> Batch:
        """Stacks samples of one bucket; a picture that may not be mirrored never is."""
        pictures = [self.pictures[c.id] for c in choices]
        keys = [self._keys.latents(p, c.view(p)) for c, p in zip(choices, pictures, strict=True)]
        texts = [self._text(p.caption if c.captioned else "") for c, p in zip(choices, pictures, strict=True)]
        latents = self._stack([self._cache.read(key)["latents"] for key in keys])
        packed, grid = self._base.pack(latents.to(self._device).float())
        return Batch(
            latents=packed,
            sequence=self._stack([t["sequence"] for t in texts]).to(self._device),
            pooled=self._stack([t["pooled"] for t in texts]).to(self._device),
            grid=grid,
        )

    def _text(self, caption: str) -> Entry:
        return self._cache.read(self._keys.text(caption))
