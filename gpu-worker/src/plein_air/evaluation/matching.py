"""Whether a picture repeats a painting, wherever it was cropped, mirrored or turned: coarse views first, then aligned.

Everything is compared by lightness alone, the mean of a pixel's largest and smallest channel, which a change of hue
leaves as it is. A coarse pass holds the whitened 16 x 16 picture against every square window of every painting; the few
paintings that come nearest are compared again at 32 x 32, window by window around the coarse place, with the slow
changes taken away, so that strokes and edges must lie where they lay.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from plein_air.evaluation.intervals import Floats

    Picture = NDArray[np.uint8]
    Plane = NDArray[np.float32]

COARSE, FINE = 16, 32
"""Sides of the compared squares in pixels."""
SCALES = (1.0, 0.9, 0.8, 0.72, 0.64, 0.56)
"""Parts of a painting's side that a window takes."""
NEARBY = (0.92, 0.96, 1.0, 1.04, 1.08)
"""Factors on the coarse window's scale that the fine pass tries."""
SHORTLIST = 8
"""Paintings of the coarse pass that each picture is aligned with."""
_SHORT = 4 * FINE
"""Short side that a painting keeps at most: what is finer is never compared."""
_REACH = 4
"""Fine pixels around the coarse place."""
_RIDGE = 0.1
"""Part of the mean variance that whitening adds to each direction: without it, noise would be blown up."""


@dataclass(frozen=True)
class Matches:
    """For each picture: its nearest painting and how near, -1 to 1; and the coarse likeness to every painting."""

    painting: NDArray[np.int64]
    likeness: NDArray[np.float64]


def lightness(picture: Picture) -> Plane:
    """Mean of the largest and the smallest channel, shape (h, w)."""
    return (picture.max(-1).astype(np.float32) + picture.min(-1)) / 2


def reduced(picture: Picture) -> NDArray[np.uint16]:
    """What is kept of a painting: lightness at no more than is compared, in 1/256 of a level; 44 KB at most as a rule."""
    return np.round(_at_most(lightness(picture), _SHORT) * 256).astype(np.uint16)


def squares(pictures: Sequence[Picture]) -> Floats:
    """The central square of each picture at both sizes that are compared, shape (n, COARSE² + FINE²)."""
    rows = np.empty((len(pictures), COARSE**2 + FINE**2))
    for row, picture in enumerate(pictures):
        square = central_square(lightness(picture))
        rows[row] = np.concatenate([_resized(square, side, side).ravel() for side in (COARSE, FINE)])
    return rows


def central_square(plane: Plane) -> Plane:
    """The central square of a plane."""
    height, width = plane.shape
    short = min(height, width)
    top, left = (height - short) // 2, (width - short) // 2
    return plane[top : top + short, left : left + short]


def _resized(plane: Plane, height: int, width: int) -> Plane:
    from PIL import Image

    return np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.HAMMING), dtype=np.float32)


def _at_most(plane: Plane, short: int) -> Plane:
    factor = short / min(plane.shape)
    if factor >= 1:
        return plane
    return _resized(plane, max(short, round(plane.shape[0] * factor)), max(short, round(plane.shape[1] * factor)))


def _shapes(plane: Plane, side: int, scale: float) -> list[tuple[int, int]]:
    """Sizes at which a window of `side` shows `scale` of the painting: as it is, and squeezed into a square."""
    height, width = plane.shape
    short, long = min(height, width), side / scale
    shapes = [(max(side, round(long * height / short)), max(side, round(long * width / short)))]
    return shapes if height == width else [*shapes, (max(side, round(long)), max(side, round(long)))]


def _coarse_windows(plane: Plane) -> Plane:
    """Every square window of a painting at the coarse size, rows about their own mean; `_places` has where they lie."""
    blocks: list[Plane] = []
    for scale in SCALES:
        for height, width in _shapes(plane, COARSE, scale):
            view = np.lib.stride_tricks.sliding_window_view(_resized(plane, height, width), (COARSE, COARSE))
            blocks.append(view.reshape(-1, COARSE * COARSE))
    stacked = np.concatenate(blocks)
    return stacked - stacked.mean(1, keepdims=True)


def _place(plane: Plane, window: int) -> tuple[bool, float, float, float]:
    """Whether a coarse window is of the squeezed painting, its scale, and its middle as parts of height and width."""
    for scale in SCALES:
        for kind, (height, width) in enumerate(_shapes(plane, COARSE, scale)):
            rows, columns = height - COARSE + 1, width - COARSE + 1
            if window < rows * columns:
                row, column = divmod(window, columns)
                return kind == 1, scale, (row + COARSE / 2) / height, (column + COARSE / 2) / width
            window -= rows * columns
    raise IndexError(window)


def _unit(rows: Plane) -> Plane:
    lengths = np.sqrt(np.einsum("nd,nd->n", rows, rows))[:, None]
    return np.asarray(rows / np.where(lengths > 1e-6, lengths, 1), dtype=np.float32)


def _turned(square: Plane) -> Plane:
    """As it is, mirrored, upside down, and both."""
    return np.stack([square, square[:, ::-1], square[::-1], square[::-1, ::-1]])


def _whitening(windows: Sequence[Plane]) -> Plane:
    rows = _unit(np.concatenate([block[:: max(1, len(block) // 40)] for block in windows]))
    values, directions = np.linalg.eigh(rows.T @ rows / len(rows))
    values = np.maximum(values, 0)
    return (directions / np.sqrt(values + _RIDGE * values.mean())).astype(np.float32)


class Matcher:
    """Finds, among paintings, those that pictures repeat."""

    def __init__(self, paintings: Sequence[NDArray[np.uint16]]) -> None:
        """Learns from `reduced` paintings which directions say little, since most windows share them."""
        self._paintings = paintings
        every = max(1, len(paintings) // 60)
        chosen = range(0, len(paintings), every)
        self._white = _whitening([_coarse_windows(self._plane(index)) for index in chosen])
        self._small: dict[tuple[int, bool, int], Plane] = {}

    def _plane(self, index: int) -> Plane:
        return np.asarray(self._paintings[index] / 256, dtype=np.float32)

    def find(
        self,
        pictures: Floats,
        excluded: Sequence[frozenset[int]] | None = None,
        on_painting: Callable[[], None] = lambda: None,
    ) -> Matches:
        """The painting that each picture is most like.

        Args:
            pictures: `squares` of them.
            excluded: For each picture, paintings that it is not compared with: itself and its near-duplicates.
            on_painting: Called after each painting of the coarse pass.
        """
        if len(pictures) == 0:
            return Matches(np.zeros(0, np.int64), np.zeros(0))
        coarse, fine = np.split(pictures.astype(np.float32), [COARSE**2], axis=1)
        asked = np.stack([_turned(square) for square in coarse.reshape(-1, COARSE, COARSE)])
        flat = asked.reshape(-1, COARSE * COARSE)
        query = _unit((flat - flat.mean(1, keepdims=True)) @ self._white)
        scores = np.full((len(pictures), len(self._paintings)), -1.0, dtype=np.float32)
        best = np.zeros((len(pictures), len(self._paintings), 2), dtype=np.int32)
        for index in range(len(self._paintings)):
            found = query @ _unit(_coarse_windows(self._plane(index)) @ self._white).T
            window = found.argmax(1).reshape(-1, 4)
            top = found.max(1).reshape(-1, 4)
            turn = top.argmax(1)
            rows = np.arange(len(pictures))
            scores[:, index] = top[rows, turn]
            best[:, index] = np.stack([turn, window[rows, turn]], 1)
            on_painting()
        for row, paintings in enumerate(excluded or []):
            scores[row, list(paintings)] = -1
        return self._aligned(fine.reshape(-1, FINE, FINE), scores, best)

    def _aligned(self, fine: Plane, scores: Plane, best: NDArray[np.int32]) -> Matches:
        count = min(SHORTLIST, scores.shape[1])
        chosen = np.argsort(-scores, axis=1, kind="stable")[:, :count]
        likeness = np.full(len(fine), -1.0)
        painting = chosen[:, 0].astype(np.int64)
        turned = [_turned(_sharp(square)).reshape(4, -1) for square in fine]
        turned = [_unit(one - one.mean(1, keepdims=True)) for one in turned]
        for index in np.unique(chosen):
            for row in np.flatnonzero((chosen == index).any(1)):
                if scores[row, index] <= -1:
                    continue
                turn, window = best[row, index]
                found = self._fine(int(index), int(window), turned[row][turn])
                if found > likeness[row]:
                    likeness[row], painting[row] = found, index
            self._small.clear()
        return Matches(painting, likeness)

    def _fine(self, index: int, window: int, query: Plane) -> float:
        found = -1.0
        squeezed, coarse_scale, y, x = _place(self._plane(index), window)
        for scale in sorted({min(1.0, coarse_scale * factor) for factor in NEARBY}):
            small = self._sharpened(index, squeezed, scale)
            height, width = small.shape
            top, left = round(y * height - FINE / 2), round(x * width - FINE / 2)
            rows = slice(max(0, top - _REACH), min(height, top + _REACH + FINE))
            columns = slice(max(0, left - _REACH), min(width, left + _REACH + FINE))
            view = np.lib.stride_tricks.sliding_window_view(small[rows, columns], (FINE, FINE))
            windows = view.reshape(-1, FINE * FINE)
            found = max(found, float((_unit(windows - windows.mean(1, keepdims=True)) @ query).max()))
        return found

    def _sharpened(self, index: int, squeezed: bool, scale: float) -> Plane:
        """A painting at the fine size without its slow changes."""
        key = (index, squeezed, round(scale * 1000))
        if key not in self._small:
            plane = self._plane(index)
            shapes = _shapes(plane, FINE, scale)
            self._small[key] = _sharp(_resized(plane, *shapes[1 if squeezed and len(shapes) > 1 else 0]))
        return self._small[key]


def _sharp(plane: Plane) -> Plane:
    from scipy.ndimage import gaussian_filter

    return np.asarray(plane - gaussian_filter(plane, 3.0, mode="reflect"), dtype=np.float32)
