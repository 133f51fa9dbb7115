"""The embedded copy descriptor: what a picture's composition and colors are, whatever it is painted like.

Pooled features of a classifier tell strokes from outlines and pass over where things are: a model that had learnt six
pictures by heart was no nearer to them than an honest one. A thumbnail sees the composition and nothing of the strokes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from plein_air.evaluation.intervals import Floats

SIDE = 16
"""Pixels a side: fewer miss where things are, more see the strokes of the style."""


def thumbnails(pictures: Sequence[NDArray[np.uint8]]) -> Floats:
    """Each picture squeezed into a square, every channel about its own mean; shape (n, 3 * SIDE²).

    The mean goes, so that a cosine compares what lies where and not how light the whole is.
    """
    from PIL import Image

    rows = [
        np.asarray(Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BOX), dtype=np.float64)
        for picture in pictures
    ]
    return np.array([(row - row.mean((0, 1))).ravel() for row in rows]).reshape(len(rows), 3 * SIDE**2)
