"""What chance decides about one sample of a micro-step: a function of seed, micro-step, slot and sample id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from plein_air.dataset.prepared import Picture
from plein_air.randomness import uniform

CROPS = 3
"""Crops of a picture that is stored larger than its bucket: the central one, and those at both ends."""


@dataclass(frozen=True)
class Draws:
    """Settings of a training that decide which views of which pictures it looks at."""

    seed: int
    steps: int
    batch_size: int
    accumulation: int
    flip: float
    caption_dropout: float


class View(NamedTuple):
    """One way to look at a picture: mirrored or not, and the crop's number, 0 for the central one."""

    mirrored: bool = False
    crop: int = 0


@dataclass(frozen=True)
class Choice:
    """One sample of a batch: which picture, how it is looked at, with its caption or without."""

    id: str
    mirrored: bool = False
    captioned: bool = True
    crop: int = 0

    def view(self, picture: Picture) -> View:
        """The view of its picture; one that may not be mirrored never is."""
        return View(self.mirrored and picture.flip_allowed, self.crop)


def choice_of(draws: Draws, micro_step: int, slot: int, sample_id: str) -> Choice:
    """Whether a sample is mirrored and has its caption, and which of its crops is seen."""
    here = (micro_step, slot, sample_id)
    return Choice(
        sample_id,
        mirrored=uniform(draws.seed, "flip", *here) < draws.flip,
        captioned=uniform(draws.seed, "dropout", *here) >= draws.caption_dropout,
        crop=int(uniform(draws.seed, "crop", *here) * CROPS),
    )
