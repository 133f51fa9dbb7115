"""Whether a model repeats its training pictures: single copies, and how many come closer than paintings do."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from plein_air.evaluation.diversity import unit_rows
from plein_air.evaluation.intervals import Floats, Measured, clustered_rate, exact, rate_difference, rate_excess
from plein_air.evaluation.matching import Matcher, Matches, reduced, squares
from plein_air.evaluation.pictures import describe_all, stream

if TYPE_CHECKING:
    from plein_air.evaluation.pictures import Painting

Picture = NDArray[np.uint8]
"""Height x width x 3."""

FALSE_ALARM_DEVIATIONS = 3.7
"""How far above the likeness of paintings that are no copies the limit is, in standard deviations of its arc tangent
(hyperbolic): 1 in 9,000 by the normal distribution."""
_ROWS = 128
"""Rows that are compared with all training pictures at once."""
PLANTED = 32
"""Training pictures, at most, that copies are planted of: of 16 a detection of 95 % has a lower bound of 0.74 at 98 %."""
_PAINTINGS = 96
"""Training pictures, at most, whose likeness to the others says what paintings have in common."""


@dataclass(frozen=True)
class Nearest:
    """For each picture, its nearest training picture and its nearest unseen one, by cosine."""

    train: NDArray[np.int64]
    train_cosine: Floats
    held_out: NDArray[np.int64]
    held_out_cosine: Floats


@dataclass(frozen=True)
class Copies:
    """The search for copies, with a limit that was calibrated on paintings that are none and on planted copies."""

    matcher: Matcher
    limit: float
    """Likeness above which a picture is a copy."""
    paintings: Floats
    """Likeness of paintings to training pictures that they are no copies of."""
    planted: dict[str, Floats]
    """Likeness of planted copies, by how they were changed."""

    @classmethod
    def of(cls, train: Sequence[Painting], unseen: Sequence[Painting], beat: Callable[[], None]) -> Copies:
        """Calibrated on the training pictures against each other, near-duplicates left out, and on unseen ones."""
        planes: dict[int, Any] = {}
        for place, picture in stream(train):
            planes[place] = reduced(picture)
            beat()
        matcher = Matcher([planes[place] for place in range(len(train))])
        clusters = np.array([painting.cluster for painting in train])
        some = list(range(0, len(train), max(1, len(train) // _PAINTINGS)))
        alone = [frozenset(np.flatnonzero(clusters == clusters[row]).tolist()) for row in some]
        asked = np.concatenate([describe_all([train[row] for row in some], squares), describe_all(unseen, squares)])
        found = matcher.find(asked, [*alone, *(frozenset() for _ in unseen)], beat).likeness
        found = found[found > -1]
        originals = train[:: max(1, len(train) // PLANTED)][:PLANTED]
        chosen, others = (dict(stream(paintings)) for paintings in (originals, unseen[: len(originals)]))
        kinds = plant([chosen[row] for row in sorted(chosen)], [others[row] for row in sorted(others)])
        planted = {name: matcher.find(squares(pictures), None, beat).likeness for name, pictures in kinds}
        return cls(matcher, _limit(found, np.concatenate(list(planted.values()))), found, planted)

    def find(self, pictures: Sequence[Picture], beat: Callable[[], None]) -> Matches:
        """The training picture that each picture is most like."""
        return self.matcher.find(squares(pictures), None, beat)

    def figures(self, likeness: Floats, confidence: float) -> dict[str, Measured]:
        """How many pictures are copies, how many of the planted ones were found, and how often a painting counts as one."""
        found = np.concatenate(list(self.planted.values())) > self.limit
        rates = ", ".join(f"{name} {np.mean(one > self.limit):.0%}" for name, one in self.planted.items())
        clusters = np.tile(np.arange(len(found) // len(self.planted)), len(self.planted))
        paintings = (self.paintings > self.limit).astype(np.float64)
        return {
            "copying.copies": exact(
                float((likeness > self.limit).sum()), len(likeness), f"pictures with a likeness above {self.limit:.6g}"
            ),
            "copying.detection": clustered_rate(
                found.astype(np.float64), clusters, confidence, f"planted copies that were found: {rates}"
            ),
            "copying.falseAlarms": clustered_rate(
                paintings, np.arange(len(paintings)), confidence, "paintings that are no copies and count as one"
            ),
        }


def _limit(paintings: Floats, planted: Floats) -> float:
    """Above what paintings come to by chance; where planted copies lie well above it, halfway to what 90 % of them reach."""
    if len(paintings) < 3:
        return 1.0
    spread = np.arctanh(np.clip(paintings, -0.999999, 0.999999))
    chance = float(np.tanh(spread.mean() + FALSE_ALARM_DEVIATIONS * spread.std()))
    return max(chance, (chance + float(np.quantile(planted, 0.1))) / 2)


def plant(originals: Sequence[Picture], others: Sequence[Picture]) -> Iterator[tuple[str, list[Picture]]]:
    """Copies as a model may leave them, by how they were changed: one kind at a time, with a picture for each original."""
    rng = np.random.default_rng(0)
    squares = [_square(original) for original in originals]
    blended = [_square(others[row % len(others)]) for row in range(len(originals))]
    yield "complete", squares
    yield "mirrored", [square[:, ::-1] for square in squares]
    yield "upside down", [square[::-1] for square in squares]
    yield "crop 90 %", [_crop(square, 0.9, rng) for square in squares]
    yield "crop 75 %", [_crop(square, 0.75, rng) for square in squares]
    yield "crop 60 %", [_crop(square, 0.6, rng) for square in squares]
    yield "other colors", [_turn_hues(square) for square in squares]
    yield "JPEG", [_jpeg(square) for square in squares]
    yield "blended 75 %", [_blend(square, other) for square, other in zip(squares, blended, strict=True)]


def _square(picture: Picture) -> Picture:
    height, width = picture.shape[:2]
    short = min(height, width)
    top, left = (height - short) // 2, (width - short) // 2
    return picture[top : top + short, left : left + short]


def _resized(picture: Picture, side: int) -> Picture:
    from PIL import Image

    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC))


def _crop(square: Picture, share: float, rng: np.random.Generator) -> Picture:
    side = round(len(square) * share)
    top, left = rng.integers(0, len(square) - side + 1, 2)
    return _resized(np.ascontiguousarray(square[top : top + side, left : left + side]), len(square))


def _turn_hues(square: Picture) -> Picture:
    from PIL import Image

    hues = np.asarray(Image.fromarray(np.ascontiguousarray(square)).convert("HSV")).copy()
    hues[..., 0] += 40
    return np.asarray(Image.fromarray(hues, "HSV").convert("RGB"))


def _jpeg(square: Picture) -> Picture:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(square)).save(buffer, "JPEG", quality=30)
    with Image.open(buffer) as image:
        return np.asarray(image.convert("RGB"))


def _blend(square: Picture, other: Picture) -> Picture:
    return np.round(0.75 * square + 0.25 * _resized(np.ascontiguousarray(other), len(square))).astype(np.uint8)


def both_ways(pictures: Sequence[Picture], describe: Callable[[Sequence[Picture]], Floats]) -> Floats:
    """Features of each picture and of its mirror image, since training may flip what it shows; shape (n, 2, d)."""
    return np.stack([describe(pictures), describe([picture[:, ::-1] for picture in pictures])], axis=1)


def find_nearest(features: Floats, train: Floats, held_out: Floats, middle: Floats) -> Nearest:
    """Nearest pictures of both splits, by the cosine of features seen from `middle`.

    Args:
        features: Of the model's pictures, shape (n, d).
        train: Of training pictures, shape (m, d), or (m, views, d) with a row for each way to look at one.
        held_out: The same of unseen ones.
        middle: Where features are seen from, shape (d,).
    """
    unit = unit_rows(features - middle)
    to_train, to_held_out = _cosines(unit, train, middle), _cosines(unit, held_out, middle)
    return Nearest(to_train.argmax(1), to_train.max(1), to_held_out.argmax(1), to_held_out.max(1))


MIN_PAINTINGS = 100
"""Paintings of the style from which on their own nearness says when a picture is close: of 30 the nearest 5 % are one or two,
and the limit would be theirs."""


def near_to_others(
    train: Floats, unseen: Floats, clusters: NDArray[np.int64], neighbors: Floats | None = None
) -> Floats:
    """How near paintings come to training pictures that they are no copies of: unseen ones to all, training ones to others.

    Args:
        train: Copy descriptors, shape (m, views, d).
        unseen: The same of unseen paintings, shape (n, views, d).
        clusters: Near-duplicates of each training picture have its number, shape (m,).
        neighbors: Paintings of other styles, shape (k, d): they are no copies either, and are asked where there are few of
            the style.
    """
    middle = np.zeros(train.shape[-1])
    rows = np.concatenate([train[:, 0], unseen[:, 0]])
    # No training picture has the number that stands for unseen ones.
    names = np.concatenate([clusters, np.full(len(unseen), clusters.min() - 1)])
    near = np.empty(len(rows))
    # A few at a time: every training picture against every other one would take gigabytes.
    for start in range(0, len(rows), _ROWS):
        part = slice(start, start + _ROWS)
        cosines = _cosines(unit_rows(rows[part]), train, middle)
        cosines[names[part, None] == clusters[None, :]] = -1
        near[part] = cosines.max(1)
    if neighbors is not None and len(neighbors) and len(near) < MIN_PAINTINGS:
        near = np.concatenate([near, _cosines(unit_rows(neighbors), train, middle).max(1)])
    return near[near > -1]


def _cosines(unit: Floats, pictures: Floats, middle: Floats) -> Floats:
    """Of the view of each picture that is nearest, shape (n, m)."""
    views = [pictures] if pictures.ndim == 2 else [pictures[:, view] for view in range(pictures.shape[1])]
    return np.max([unit @ unit_rows(view - middle).T for view in views], axis=0)


def copying_rate(nearest: Nearest, limit: float, prompts: NDArray[np.int64], confidence: float) -> Measured:
    """Part of the pictures that come nearer to a training picture than 95 % of paintings do."""
    what = f"rate of pictures with a cosine above {limit:.6g} to a training picture; {_BOUNDS}"
    return clustered_rate(close(nearest, limit), prompts, confidence, what)


def copying_excess(
    nearest: Nearest, limit: float, paintings: Floats, prompts: NDArray[np.int64], confidence: float
) -> Measured:
    """How much more often the pictures come near to a training picture than paintings do: 0 for a perfect painter."""
    what = f"rate of pictures with a cosine above {limit:.6g} to a training picture, less that of paintings"
    return rate_excess(close(nearest, limit), prompts, paintings, confidence, what)


def copying_increase(
    ours: Nearest, theirs: Nearest, limit: float, prompts: NDArray[np.int64], confidence: float, seed: int
) -> Measured:
    """How much more of our pictures come near to a training picture than of theirs, paired by prompt and seed."""
    what = f"difference of the rates of pictures with a cosine above {limit:.6g} to a training picture, paired"
    return rate_difference(close(ours, limit), close(theirs, limit), prompts, confidence, seed, what)


def close(nearest: Nearest, limit: float) -> Floats:
    """1 for a picture that is nearer to a training picture than `limit`, else 0."""
    return (nearest.train_cosine > limit).astype(np.float64)


_BOUNDS = "Clopper and Pearson's bounds at the number of pictures that clusters by prompt leave"
