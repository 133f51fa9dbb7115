"""Whether a picture is nearer to the wanted style than to any of its neighbors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from plein_air.evaluation.diversity import unit_rows
from plein_air.evaluation.intervals import Floats


@dataclass(frozen=True)
class StyleMap:
    """Directions of the wanted style and of its neighbors, seen from the middle of all styles' centroids."""

    middle: Floats
    wanted: Floats
    neighbors: Floats
    names: tuple[str, ...]

    @classmethod
    def of(cls, wanted: Floats, neighbors: Mapping[str, Floats]) -> StyleMap:
        """From features of held-out paintings and of each neighboring style's, each of shape (n, d).

        Features are all of one sign and resemble each other; without the middle taken away every cosine is near 1.
        """
        names = tuple(sorted(neighbors))
        centroids = np.stack([wanted.mean(0), *(neighbors[name].mean(0) for name in names)])
        middle = centroids.mean(0)
        directions = unit_rows(centroids - middle)
        return cls(middle, directions[0], directions[1:], names)

    def margins(self, features: Floats) -> Floats:
        """Cosine to the wanted style minus the best cosine to a neighbor, shape (n,): above 0 is the wanted style."""
        unit = unit_rows(features - self.middle)
        return unit @ self.wanted - (unit @ self.neighbors.T).max(1)

    def nearest_neighbor(self, features: Floats) -> list[str]:
        """Name of the neighboring style that each row is nearest to."""
        return [self.names[i] for i in (unit_rows(features - self.middle) @ self.neighbors.T).argmax(1)]
