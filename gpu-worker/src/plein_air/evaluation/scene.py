"""What an evaluation compares: models' pictures and real paintings as the encoders saw them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from plein_air.evaluation.appearance import layout, same_hues, traits, way_up
from plein_air.evaluation.content import Content
from plein_air.evaluation.copying import Copies, Nearest, find_nearest, near_to_others
from plein_air.evaluation.probes import FEW_RIDGE, RIDGE, Probe
from plein_air.evaluation.set_distances import Kernel, gaussian_kernel, kid_kernel, median_distance
from plein_air.evaluation.style import StyleMap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from plein_air.evaluation.encoding import Seen
    from plein_air.evaluation.intervals import Floats
    from plein_air.evaluation.pictures import Dataset

CLOSE_QUANTILE = 0.95
"""A picture is close to a training picture when only 5 % of paintings are as close to another artist's or motif's."""
MIN_SPREAD = 0.02
"""Least spread of a trait among paintings: one that never varies would make any difference a large one."""
CLIP_BANDWIDTH = 10.0
"""On unit CLIP embeddings, as in CMMD (arXiv 2401.09603)."""


@dataclass
class Shown:
    """One model's pictures, row i for sample i of the set; what a profile cannot measure stays out of the dicts."""

    pixels: Sequence[NDArray[np.uint8]]
    features: dict[str, Floats] = field(default_factory=dict)
    """By role: `set`, `copies`, `traits` and `layout` always; `clip` and `style` where there is such a model."""
    scores: dict[str, Floats] = field(default_factory=dict)
    """By metric, one figure a picture: `clip`, `vqa`, `preference`, and what the probes see."""


@dataclass(frozen=True)
class Part:
    """The rows of the set that a figure is over, with their prompts numbered from 0."""

    rows: NDArray[np.int64]
    prompts: NDArray[np.int64]

    @classmethod
    def of(cls, samples: list[dict[str, Any]], wanted: list[bool]) -> Part:
        """The rows of samples that are wanted."""
        rows = np.flatnonzero(np.array(wanted))
        names = sorted({samples[row]["promptId"] for row in rows})
        number = {name: index for index, name in enumerate(names)}
        return cls(rows, np.array([number[samples[row]["promptId"]] for row in rows], dtype=np.int64))


@dataclass(frozen=True)
class Scene:
    """Real paintings as reference, and what follows from them alone."""

    unseen: dict[str, Floats]
    """Paintings of the reference split by role; those of `copies` have shape (n, views, d)."""
    train: Floats
    """Training pictures in the space of copying, shape (n, views, d)."""
    train_set: Floats
    """The same by the encoder of the sets, shape (n, d)."""
    unseen_groups: NDArray[np.int64]
    styles: StyleMap | None
    middle: Floats
    limit: float
    """Cosine above which a picture counts as close to a training picture."""
    paintings_close: Floats
    """1 for each painting that is closer to another training picture than `limit`, else 0."""
    copies: Copies
    style_probe: Probe
    """Wanted style against its neighbors, by the encoder's features."""
    plain_probe: Probe
    """The same by low-level traits, which no encoder sees."""
    upright_probe: Probe
    color_probe: Probe
    traits: tuple[Floats, Floats]
    """Mean and spread of each trait among training pictures."""
    kernels: dict[str, tuple[str, Kernel]]
    """Set distances by name: the role whose features they take, and their kernel."""
    confidence: float
    seed: int

    @classmethod
    def of(cls, dataset: Dataset, seen: Seen, base: Shown, confidence: float, seed: int) -> Scene:
        """From the dataset's splits and their features, and the base's pictures."""
        clusters = sorted({painting.cluster for painting in dataset.unseen})
        place = {cluster: index for index, cluster in enumerate(clusters)}
        names = np.array([painting.style for painting in dataset.neighbors])
        by_style = {str(name): seen.neighbors[names == name] for name in sorted(set(names.tolist()))}
        styles = StyleMap.of(seen.unseen["set"], by_style) if by_style else None
        clip = "clip" if "clip" in seen.unseen else "set"
        bandwidth = CLIP_BANDWIDTH if clip == "clip" else median_distance(seen.unseen["set"])
        train_clusters = np.array([painting.cluster for painting in dataset.train])
        near = near_to_others(seen.train, seen.unseen["copies"], train_clusters, seen.neighbors_copies)
        limit = float(np.quantile(near, CLOSE_QUANTILE))
        own_traits = seen.train_looks.traits
        # A dataset of one style alone: the base's pictures stand for the others.
        alone = not dataset.neighbors
        beside = base.features["set"] if alone else seen.neighbors
        beside_traits = traits(base.pixels) if alone else seen.neighbor_looks.traits
        plain, flipped, recolored = (
            np.concatenate(views) for views in zip(seen.train_looks.layouts, seen.neighbor_looks.layouts, strict=True)
        )
        return cls(
            unseen=seen.unseen,
            train=seen.train,
            train_set=seen.train_set,
            unseen_groups=np.array([place[painting.cluster] for painting in dataset.unseen]),
            styles=styles,
            middle=seen.unseen["set"].mean(0) if styles is None else styles.middle,
            limit=limit,
            paintings_close=(near > limit).astype(np.float64),
            copies=seen.copies,
            style_probe=_against(seen.train_set, beside),
            plain_probe=_against(own_traits, beside_traits, FEW_RIDGE),
            upright_probe=_against(plain, flipped),
            color_probe=_against(plain, recolored),
            traits=(own_traits.mean(0), np.maximum(own_traits.std(0), MIN_SPREAD)),
            kernels={"kid": ("set", kid_kernel), "gaussianMmd": (clip, gaussian_kernel(bandwidth))},
            confidence=confidence,
            seed=seed,
        )

    def look_at(self, shown: Shown, base: Shown, content: Content) -> None:
        """Fills in what the probes see in one model's pictures; `base` are those of the same prompts and seeds."""
        for one in (shown, base):
            if "traits" not in one.features:
                one.features |= {"traits": traits(one.pixels), "layout": layout(one.pixels)}
        features, drawn, below = shown.features["set"], shown.features["layout"], base.features["layout"]
        shown.scores |= {
            "style.score": self.style_probe.scores(features)[:, 0],
            "style.plain": self.plain_probe.scores(shown.features["traits"])[:, 0],
            "content.match": content.matches(features, base.features["set"]),
            "content.shown": content.shown(features, base.features["set"]),
            "appearance.upright": self.upright_probe.scores(drawn)[:, 0],
            "appearance.wayUp": way_up(drawn, below),
            "appearance.hues": same_hues(drawn, below),
            "appearance.color": self.color_probe.scores(drawn)[:, 0],
        }

    def nearest(self, shown: Shown) -> Nearest:
        """The real pictures nearest to each of a model's."""
        # Copy descriptors are made for comparing with 0.
        zero = np.zeros(self.train.shape[-1])
        return find_nearest(shown.features["copies"], self.train, self.unseen["copies"], zero)


def _against(wanted: Floats, others: Floats, ridge: float = RIDGE) -> Probe:
    """1 for rows like the first, -1 for rows like the second; without any of the second, 0 for all."""
    rows = np.concatenate([wanted, others])
    answers = np.concatenate([np.ones(len(wanted)), -np.ones(len(others))])[:, None]
    return Probe.fit(rows, answers if len(others) else answers * 0, ridge=ridge)
