"""Whether pictures show what was asked for, whatever they are painted like.

Two witnesses. A probe, learnt on real paintings' genres, ranks each picture against the same model's pictures of other
genres: dealt among the prompts at random, a set comes to 0.5. And the base's own picture of the same prompt and seed:
a style changes how it is painted, not what it is, so that ours is nearer to it than to the base's pictures of anything
else. A painter that owes the base nothing is right by the first alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from plein_air.evaluation.diversity import unit_rows
from plein_air.evaluation.probes import Probe, class_probe, ranks_above

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from plein_air.evaluation.intervals import Floats

MIN_IMAGES = 8
"""Paintings that a genre needs for the probe to learn it."""


@dataclass(frozen=True)
class Content:
    """What each sample asks for, and the probe of it."""

    asked: NDArray[np.int64]
    """Genre of each sample by its place in `classes`, -1 for none that the paintings teach."""
    kinds: NDArray[np.str_]
    """Genre of each sample, or its slice where it has none."""
    classes: tuple[str, ...]
    probe: Probe | None
    """None: the paintings teach fewer than two of the genres that are asked for."""

    @classmethod
    def of(cls, samples: Sequence[dict[str, Any]], genres: Sequence[str], features: Floats) -> Content:
        """From the samples, and the genres and features of real paintings in any style."""
        asks = [sample.get("asks") for sample in samples]
        names = {str(name) for name in asks if name is not None and list(genres).count(name) >= MIN_IMAGES}
        classes = tuple(sorted(names))
        kinds = np.array([str(ask or sample["genre"]) for ask, sample in zip(asks, samples, strict=True)])
        if len(classes) < 2:
            return cls(np.full(len(samples), -1), kinds, (), None)
        place = {name: index for index, name in enumerate(classes)}
        taught = np.array([genre in place for genre in genres])
        known = [genre for genre in genres if genre in place]
        asked = np.array([place.get(str(ask), -1) for ask in asks], dtype=np.int64)
        return cls(asked, kinds, classes, class_probe(features[taught], known, classes))

    def matches(self, features: Floats, base: Floats) -> Floats:
        """How often each picture is more like its genre than the same model's pictures of others; NaN: no genre asked.

        Where paintings teach no genres, the base's pictures stand for them: of the same kind, but for the same prompt's.
        """
        if self.probe is not None:
            return ranks_above(self.probe.scores(features), self.asked)
        near = _centred(features) @ _centred(base).T
        kinds = sorted(set(self.kinds.tolist()))
        if len(kinds) < 2:
            return np.full(len(features), np.nan)
        np.fill_diagonal(near, np.nan)
        likeness = np.stack([np.nanmean(near[:, self.kinds == kind], axis=1) for kind in kinds], 1)
        return ranks_above(likeness, np.array([kinds.index(kind) for kind in self.kinds.tolist()]))

    def kept(self, features: Floats, base: Floats) -> Floats:
        """How often each picture is nearer to the base's of its prompt and seed than to the base's of other kinds."""
        near = _centred(features) @ _centred(base).T
        found = np.full(len(features), np.nan)
        for row, kind in enumerate(self.kinds):
            others = near[row, self.kinds != kind]
            if len(others):
                found[row] = ((near[row, row] > others).mean() + (near[row, row] >= others).mean()) / 2
        return found

    def shown(self, features: Floats, base: Floats) -> Floats:
        """The better of both witnesses; NaN where neither can tell."""
        return np.fmax(self.matches(features, base) if self.probe else np.nan, self.kept(features, base))


def _centred(features: Floats) -> Floats:
    """Directions from the middle of one model's pictures: what all have in common is its style."""
    return unit_rows(features - features.mean(0))
