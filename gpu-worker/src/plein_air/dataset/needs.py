"""Everything that a training will ask the cache for, known before it begins: order and choices are pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from plein_air.dataset.choices import CROPS, Draws, View, choice_of
from plein_air.dataset.order import Order
from plein_air.dataset.prepared import Picture
from plein_air.randomness import shuffled

MAX_HELD_OUT = 16
"""Held-out pictures that are measured at most; which ones depends on their ids alone."""
MAX_LEARNT = 8
"""Training pictures measured the same way: the gap between both losses is what was learned by heart."""
VALIDATION_IMAGES = 4
"""Validation images at a time, half of them with captions that are trained on: where copying shows first."""
_SEED = 0
"""Not the run's: losses and images of runs with different seeds must be comparable."""


@dataclass
class Needs:
    """Views by picture, in the order of the pictures, and captions."""

    views: dict[str, set[View]] = field(default_factory=dict)
    captions: set[str] = field(default_factory=set)

    def add(self, picture: Picture, view: View, caption: str) -> None:
        """One look at a picture with a caption."""
        self.views.setdefault(picture.id, set()).add(view)
        self.captions.add(caption)


def needs_of(draws: Draws, train: Sequence[Picture], held_out: Sequence[Picture]) -> Needs:
    """What the steps of a training, its measurements and its validation images look at."""
    needs = Needs()
    pictures = {picture.id: picture for picture in train}
    order = Order(buckets_of(train), draws.batch_size, draws.seed)
    most = _most_views(draws, train)
    for micro_step in range(draws.steps * draws.accumulation):
        if micro_step % 1000 == 0 and sum(map(len, needs.views.values())) == most:
            # A long training has looked at every picture in every way: only captions are left, and all of them are wanted.
            needs.captions |= {"", *(picture.caption for picture in train)}
            break
        for slot, sample_id in enumerate(order.batch(micro_step)[1]):
            choice = choice_of(draws, micro_step, slot, sample_id)
            picture = pictures[sample_id]
            needs.add(picture, choice.view(picture), picture.caption if choice.captioned else "")
    for split, most in ((train, MAX_LEARNT), (held_out, MAX_HELD_OUT)):
        by_id = {picture.id: picture for picture in split}
        for sample_id in measured_ids(by_id, most):
            needs.add(by_id[sample_id], View(), by_id[sample_id].caption)
        needs.captions |= {by_id[sample_id].caption for sample_id in validation_ids(by_id)}
    return needs


def _most_views(draws: Draws, train: Sequence[Picture]) -> int:
    """Views that a training may look at, however long it is."""
    return sum(CROPS * (2 if picture.flip_allowed and 0 < draws.flip < 1 else 1) for picture in train)


def buckets_of(pictures: Iterable[Picture]) -> dict[str, list[str]]:
    """Ids by size, such as `128x112`."""
    found: dict[str, list[str]] = {}
    for picture in pictures:
        found.setdefault(f"{picture.width}x{picture.height}", []).append(picture.id)
    return found


def measured_ids(ids: Iterable[str], most: int) -> list[str]:
    """The pictures of a split whose loss is measured, at most so many."""
    return shuffled(list(ids), _SEED, "held-out")[:most]


def validation_ids(ids: Iterable[str]) -> list[str]:
    """The pictures of a split whose captions validation images are generated from."""
    return shuffled(list(ids), _SEED, "strip")[: VALIDATION_IMAGES // 2]
