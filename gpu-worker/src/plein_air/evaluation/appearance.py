"""How pictures look without any encoder: sharpness, contrast, color, grain, grids, frames, and which way is up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from plein_air.evaluation.intervals import Floats

    Picture = NDArray[np.uint8]

SIDE = 128
"""Pixels a side that pictures are measured at; smaller ones as they are."""
TRAITS = (
    "grain", "detail", "forms", "masses", "spikes", "colorGrain", "lightness", "contrast", "redGreen", "yellowBlue",
    "chroma", "colorSpread", "lightAbove", "warmAbove", "detailAbove", "horizontal", "halves", "quarters", "blocks",
    "rim", "frame", "clipped", "flat", "tones",
)  # fmt: skip
"""Names of the figures that `traits` gives, in order."""
_FLOOR = 1e-3


def traits(pictures: Sequence[Picture]) -> Floats:
    """Low-level figures of each picture's central square, shape (n, len(TRAITS))."""
    return np.array([_traits(_square(picture)) for picture in pictures]).reshape(len(pictures), len(TRAITS))


def layout(pictures: Sequence[Picture], side: int = 8) -> Floats:
    """Each picture as `side` x `side` colors, shape (n, 3 side²): where light and color are."""
    from PIL import Image

    rows = [
        np.asarray(Image.fromarray(_square(picture)).resize((side, side), Image.Resampling.BOX), dtype=np.float64) / 255
        for picture in pictures
    ]
    return np.array(rows).reshape(len(pictures), 3 * side * side)


@dataclass(frozen=True)
class Looks:
    """What paintings look like, in one pass over their pixels: rows of `rows_of`."""

    rows: Floats

    @staticmethod
    def rows_of(pictures: Sequence[Picture]) -> Floats:
        """Traits and layout of each picture, and its layout upside down and in the opposite hues."""
        views = (pictures, [picture[::-1] for picture in pictures], [_recolored(picture) for picture in pictures])
        return np.concatenate([traits(pictures), *map(layout, views)], axis=1)

    @property
    def traits(self) -> Floats:
        """Figures named by `TRAITS`, shape (n, len(TRAITS))."""
        return self.rows[:, : len(TRAITS)]

    @property
    def layouts(self) -> tuple[Floats, Floats, Floats]:
        """Layout as it is, upside down, and in the opposite hues."""
        plain, flipped, recolored = np.split(self.rows[:, len(TRAITS) :], 3, axis=1)
        return plain, flipped, recolored


def _recolored(picture: Picture) -> Picture:
    """The picture with each hue turned to its opposite; light and dark stay."""
    from PIL import Image

    hues = np.asarray(Image.fromarray(picture).convert("HSV")).copy()
    hues[..., 0] += 128
    return np.asarray(Image.fromarray(hues, "HSV").convert("RGB"))


def way_up(pictures: Floats, base: Floats) -> Floats:
    """How much more light lies where it lies in the base's picture than it does upside down, -2 to 2; rows of `layout`."""
    ours, theirs = (_planes(rows)[..., 0] for rows in (pictures, base))
    return _likeness(ours, theirs, 1) - _likeness(ours[:, ::-1], theirs, 1)


def same_hues(pictures: Floats, base: Floats) -> Floats:
    """Cosine of the colors by place to those of the base's picture, -1 the opposite ones; rows of `layout`."""
    ours, theirs = (_planes(rows)[..., 1:] for rows in (pictures, base))
    return _likeness(ours, theirs, 0)


def _planes(rows: Floats) -> Floats:
    """Lightness, red against green and yellow against blue by place, shape (n, side, side, 3)."""
    side = round((rows.shape[1] / 3) ** 0.5)
    red, green, blue = np.moveaxis(rows.reshape(len(rows), side, side, 3), -1, 0)
    return np.stack([(red + green + blue) / 3, red - green, (red + green) / 2 - blue], -1)


def _likeness(ours: Floats, theirs: Floats, centered: int) -> Floats:
    a, b = (rows.reshape(len(rows), -1) for rows in (ours, theirs))
    a, b = (rows - centered * rows.mean(1, keepdims=True) for rows in (a, b))
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return (a * b).sum(1) / np.maximum(lengths, 1e-6)


def _square(picture: Picture) -> Picture:
    from PIL import Image

    height, width = picture.shape[:2]
    short = min(height, width)
    top, left = (height - short) // 2, (width - short) // 2
    crop = picture[top : top + short, left : left + short]
    if short <= SIDE:
        return crop
    return np.asarray(Image.fromarray(crop).resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def _traits(picture: Picture) -> list[float]:
    red, green, blue = (picture[..., channel].astype(np.float64) / 255 for channel in range(3))
    light, red_green, yellow_blue = (red + green + blue) / 3, red - green, (red + green) / 2 - blue
    chroma = np.hypot(red_green, yellow_blue)
    half = len(light) // 2
    across, down = np.abs(np.diff(light, axis=1)), np.abs(np.diff(light, axis=0))
    share = np.bincount((light * 63).astype(int).ravel(), minlength=64) / light.size
    seen = share[share > 0]
    return [
        *_bands(light),
        _log(_fine(red_green)[0].std()),
        float(light.mean()),
        float(light.std()),
        float(red_green.mean()),
        float(yellow_blue.mean()),
        float(chroma.mean()),
        float(np.hypot(red_green.std(), yellow_blue.std())),
        float(light[:half].mean() - light[half:].mean()),
        float(yellow_blue[:half].mean() - yellow_blue[half:].mean()),
        _log(across[:half].mean()) - _log(across[half:].mean()),
        _log(across.mean()) - _log(down.mean()),
        *_lines(across, down),
        float(((picture == 0) | (picture == 255)).mean()),
        float((across < 1e-4).mean()),
        float(-(seen * np.log(seen)).sum()),
    ]


def _bands(light: NDArray[np.float64]) -> list[float]:
    """Strength of four octaves, finest first, and how spiky the finest is."""
    bands: list[float] = []
    spikes = 0.0
    for octave in range(4):
        fine, smooth = _fine(light)
        bands.append(_log(fine.std()))
        if octave == 0:
            spikes = min(10.0, float(((fine / (fine.std() + 1e-9)) ** 4).mean()))
        light = smooth[::2, ::2]
    return [*bands, spikes]


def _lines(across: NDArray[np.float64], down: NDArray[np.float64]) -> list[float]:
    """Steps at halves, quarters and every 8 pixels, in the rim, and along the strongest line parallel to it."""
    side = len(across)
    mean = (across.mean() + down.mean()) / 2 + 1e-9
    columns, rows = across.mean(0) / mean, down.mean(1) / mean
    both = (columns + rows) / 2
    found = [np.log(np.mean([both[round(side * i / parts) - 1] for i in range(1, parts)]) + 0.05) for parts in (2, 4)]
    blocks = np.log(both[np.arange(7, side - 1, 8)].mean() + 0.05) if side > 16 else 0.0
    wide = max(2, side // 24)
    rim = np.concatenate(
        [across[:wide].ravel(), across[-wide:].ravel(), down[:, :wide].ravel(), down[:, -wide:].ravel()]
    )
    inner = max(
        float(np.mean([columns[i], columns[-1 - i], rows[i], rows[-1 - i]])) for i in range(1, max(2, side // 6))
    )
    return [*map(float, found), float(blocks), _log(rim.mean() / mean), float(np.log(inner + 0.05))]


def _fine(plane: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(plane, 1.0, mode="reflect")
    return plane - smooth, smooth


def _log(value: float) -> float:
    return float(np.log(value + _FLOOR))
