"""What an evaluation compares: models' pictures and real paintings as the encoders saw them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from plein_air.evaluation.copying import Nearest, closeness_limit, find_nearest
from plein_air.evaluation.set_distances import Kernel, gaussian_kernel, kid_kernel, median_distance
from plein_air.evaluation.style import StyleMap

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from plein_air.evaluation.intervals import Floats
    from plein_air.evaluation.pictures import Dataset

CLOSE_QUANTILE = 0.95
"""A picture is close to a training picture when only 5 % of unseen paintings are as close to one."""
CMMD_BANDWIDTH = 10.0
"""Of CMMD on unit CLIP embeddings (arXiv 2401.09603)."""


@dataclass
class Shown:
    """One model's pictures, row i for sample i of the set; what a profile cannot measure stays out of the dicts."""

    pixels: list[NDArray[np.uint8]]
    features: dict[str, Floats] = field(default_factory=dict)
    """By role: `set` and `copies` always; `clip` and `style` where there is such a model."""
    scores: dict[str, Floats] = field(default_factory=dict)
    """By metric: `clip`, `vqa`, `preference`: one figure a picture."""


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
    """Held-out and test paintings by role; those of `copies` have shape (n, views, d)."""
    train: Floats
    """Training pictures in the space of copying, shape (n, views, d)."""
    unseen_groups: NDArray[np.int64]
    styles: StyleMap | None
    middle: Floats
    limit: float
    """Cosine above which a picture counts as close to a training picture."""
    kernels: dict[str, tuple[str, Kernel]]
    """Set distances by name: the role whose features they take, and their kernel."""
    confidence: float
    seed: int

    @classmethod
    def of(
        cls,
        dataset: Dataset,
        unseen: dict[str, Floats],
        neighbors: Floats,
        train: Floats,
        confidence: float,
        seed: int,
    ) -> Scene:
        """From the features of the dataset's splits."""
        clusters = sorted({painting.cluster for painting in dataset.held_out})
        place = {cluster: index for index, cluster in enumerate(clusters)}
        names = np.array([painting.style for painting in dataset.neighbors])
        by_style = {str(name): neighbors[names == name] for name in sorted(set(names.tolist()))}
        styles = StyleMap.of(unseen["set"], by_style) if by_style else None
        middle = unseen["set"].mean(0) if styles is None else styles.middle
        clip = "clip" if "clip" in unseen else "set"
        bandwidth = CMMD_BANDWIDTH if clip == "clip" else median_distance(unseen["set"])
        return cls(
            unseen,
            train,
            np.array([place[painting.cluster] for painting in dataset.held_out]),
            styles,
            middle,
            closeness_limit(train, unseen["copies"], np.zeros(train.shape[-1]), CLOSE_QUANTILE),
            {"kid": ("set", kid_kernel), "cmmd": (clip, gaussian_kernel(bandwidth))},
            confidence,
            seed,
        )

    def nearest(self, shown: Shown) -> Nearest:
        """The real pictures nearest to each of a model's."""
        # Copy descriptors are made for comparing with 0.
        zero = np.zeros(self.train.shape[-1])
        return find_nearest(shown.features["copies"], self.train, self.unseen["copies"], zero)
