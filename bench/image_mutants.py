"""What may be wrong with a model's pictures, as changes of a good model's: for bench/gate_image_mutants.py."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

Picture = NDArray[np.uint8]
Change = Callable[[Picture, np.random.Generator], Picture]


@dataclass(frozen=True)
class Material:
    """Pictures to make mutants of, row i for sample i."""

    samples: list[dict[str, Any]]
    base: list[Picture]
    good: list[Picture]
    train: list[Picture]
    unseen: list[tuple[str, Picture]]
    """Genre and pixels of paintings that nothing else in the evaluation reads."""
    neighbors: list[Picture]

    def rows(self, slices: set[str] | None = None) -> list[int]:
        return [row for row, sample in enumerate(self.samples) if slices is None or sample["genre"] in slices]

    def sized(self, picture: Picture) -> Picture:
        """The central square at the samples' size."""
        side = len(self.good[0])
        height, width = picture.shape[:2]
        short = min(height, width)
        top, left = (height - short) // 2, (width - short) // 2
        crop = picture[top : top + short, left : left + short]
        return np.asarray(Image.fromarray(np.ascontiguousarray(crop)).resize((side, side), Image.Resampling.BICUBIC))


MUTANTS: dict[str, Callable[[Material], list[Picture]]] = {}
GOOD = ("the good model", "a perfect painter")
"""Those that must pass."""


def changed(change: Change, slices: set[str] | None = None, share: float = 1) -> Callable[[Material], list[Picture]]:
    def spoil(m: Material) -> list[Picture]:
        rng = np.random.default_rng(0)
        rows = {row for row in m.rows(slices) if rng.random() < share}
        return [np.asarray(change(p, rng)) if row in rows else p for row, p in enumerate(m.good)]

    return spoil


def dealt(pick: Callable[[Material, int, np.random.Generator], Picture], slices: set[str] | None = None) -> Any:
    """Each picture of the slices replaced by one that `pick` finds for its row."""

    def spoil(m: Material) -> list[Picture]:
        rng = np.random.default_rng(0)
        rows = set(m.rows(slices))
        return [pick(m, row, rng) if row in rows else p for row, p in enumerate(m.good)]

    return spoil


def pil(change: Callable[[Image.Image], Image.Image]) -> Change:
    return lambda p, _: np.asarray(change(Image.fromarray(np.ascontiguousarray(p))).convert("RGB"))


def hue(degrees: float) -> Change:
    def turn(p: Picture, _: Any) -> Picture:
        hues = np.asarray(Image.fromarray(np.ascontiguousarray(p)).convert("HSV")).copy()
        hues[..., 0] = (hues[..., 0].astype(int) + int(degrees * 256 / 360)) % 256
        return np.asarray(Image.fromarray(hues, "HSV").convert("RGB"))

    return turn


def tiles(count: int) -> Change:
    def shuffle(p: Picture, rng: np.random.Generator) -> Picture:
        side = len(p) // count
        blocks = [p[y * side : (y + 1) * side, x * side : (x + 1) * side] for y in range(count) for x in range(count)]
        order = rng.permutation(len(blocks))
        while (order == np.arange(len(blocks))).all():
            order = rng.permutation(len(blocks))
        return np.concatenate(
            [np.concatenate([blocks[order[y * count + x]] for x in range(count)], 1) for y in range(count)], 0
        )

    return shuffle


def noise(deviation: float) -> Change:
    return lambda p, rng: np.clip(p + rng.normal(0, deviation, p.shape), 0, 255).astype(np.uint8)


def pure_noise(p: Picture, rng: np.random.Generator) -> Picture:
    return rng.integers(0, 256, p.shape, dtype=np.uint8)


def smaller(side: int) -> Change:
    return pil(lambda i: i.resize((side, side), Image.Resampling.BOX).resize(i.size, Image.Resampling.BICUBIC))


def jpeg(quality: int) -> Change:
    def squeeze(i: Image.Image) -> Image.Image:
        buffer = io.BytesIO()
        i.save(buffer, "JPEG", quality=quality)
        return Image.open(io.BytesIO(buffer.getvalue()))

    return pil(squeeze)


def signed(i: Image.Image) -> Image.Image:
    i = i.copy()
    ImageDraw.Draw(i).text((i.width - 62, i.height - 16), "C. Monet", fill=(245, 240, 230))
    return i


def framed(i: Image.Image) -> Image.Image:
    return ImageOps.expand(i.resize((i.width - 12, i.height - 12)), 6, (90, 60, 20))


def marked(i: Image.Image) -> Image.Image:
    i = i.copy()
    draw = ImageDraw.Draw(i)
    for corners in (((0, 0), i.size), ((0, i.height), (i.width, 0))):
        draw.line(corners, fill=(255, 255, 255), width=3)
    return i


def other_genre(m: Material, row: int, rng: np.random.Generator) -> Picture:
    rows = [i for i, s in enumerate(m.samples) if s["asks"] != m.samples[row]["asks"]]
    return m.good[int(rng.choice(rows))]


def of_slice(slice_: str) -> Callable[[Material, int, np.random.Generator], Picture]:
    return lambda m, _, rng: m.good[int(rng.choice(m.rows({slice_})))]


def copied(change: Callable[[Material, Picture, np.random.Generator], Picture], count: int | None) -> Any:
    """The first `count` pictures with the trigger, or all, are training pictures, changed."""

    def spoil(m: Material) -> list[Picture]:
        rng = np.random.default_rng(0)
        rows = [row for row, s in enumerate(m.samples) if s["trigger"]]
        rows = rows if count is None else rows[:: max(1, len(rows) // count)][:count]
        chosen = dict(zip(rows, rng.permutation(len(m.train)).tolist() * 9, strict=False))
        return [change(m, m.train[chosen[row]], rng) if row in chosen else p for row, p in enumerate(m.good)]

    return spoil


def crop(share: float) -> Callable[[Material, Picture, np.random.Generator], Picture]:
    def cut(m: Material, p: Picture, rng: np.random.Generator) -> Picture:
        square = m.sized(p)
        side = round(len(square) * share)
        y, x = rng.integers(0, len(square) - side + 1, 2)
        return m.sized(square[y : y + side, x : x + side])

    return cut


def then(first: Callable[..., Picture], change: Change) -> Callable[[Material, Picture, np.random.Generator], Picture]:
    return lambda m, p, rng: np.asarray(change(first(m, p, rng), rng))


def whole(m: Material, p: Picture, _: Any) -> Picture:
    return m.sized(p)


def textured(m: Material) -> list[Picture]:
    """The base's pictures under a fine pattern that nobody sees."""
    rng = np.random.default_rng(0)
    pattern = rng.choice([-8, 8], m.base[0].shape)
    return [np.clip(p.astype(int) + pattern, 0, 255).astype(np.uint8) for p in m.base]


def perfect(m: Material) -> list[Picture]:
    """Unseen paintings of the genre that was asked for, cut and mirrored so that no two are the same."""
    rng = np.random.default_rng(0)
    every = [p for _, p in m.unseen]
    found: list[Picture] = []
    for sample in m.samples:
        fitting = [p for genre, p in m.unseen if genre == sample["asks"]] or every
        picture = crop(float(rng.uniform(0.7, 1)))(m, fitting[int(rng.integers(len(fitting)))], rng)
        found.append(picture[:, ::-1] if rng.random() < 0.5 else picture)
    return found


MUTANTS |= {
    "the good model": lambda m: m.good,
    "a perfect painter": perfect,
    # Prompts.
    "dealt among all prompts": dealt(lambda m, _, rng: m.good[int(rng.integers(len(m.good)))]),
    "dealt to prompts of other genres": dealt(other_genre),
    "portraits replaced by landscapes": dealt(of_slice("landscape"), {"portrait"}),
    "still lifes replaced by streets": dealt(of_slice("city"), {"still_life"}),
    "a third dealt to other genres": lambda m: [
        other_genre(m, row, np.random.default_rng(row)) if row % 3 == 0 else p for row, p in enumerate(m.good)
    ],
    "without the trigger other genres": dealt(other_genre, {"trigger-free"}),
    "the hard prompts show other genres": dealt(other_genre, {"adherence"}),
    # Every picture.
    "the base's pictures": lambda m: m.base,
    "7 of 10 by the adapter": lambda m: [m.base[row] if row % 10 < 3 else p for row, p in enumerate(m.good)],
    "half by the adapter": lambda m: [m.base[row] if row % 4 < 2 else p for row, p in enumerate(m.good)],
    "3 of 10 by the adapter": lambda m: [p if row % 10 < 3 else m.base[row] for row, p in enumerate(m.good)],
    "portraits left to the base": dealt(lambda m, row, _: m.base[row], {"portrait"}),
    "the hard prompts left to the base": dealt(lambda m, row, _: m.base[row], {"adherence"}),
    "a fine pattern on the base's": textured,
    "a tenth of the effect": lambda m: [
        np.round(0.9 * b + 0.1 * g).astype(np.uint8) for b, g in zip(m.base, m.good, strict=True)
    ],
    "interiors are noise": changed(pure_noise, {"interior"}),
    "without the trigger noise": changed(pure_noise, {"trigger-free"}),
    "one in six is noise": changed(pure_noise, share=1 / 6),
    "one picture for all": lambda m: [m.good[0]] * len(m.good),
    "four pictures for all": lambda m: [m.good[row % 4 * 20] for row in range(len(m.good))],
    # Appearance.
    "upside down": changed(lambda p, _: p[::-1]),
    "a quarter turned": changed(lambda p, _: np.rot90(p)),
    "portraits upside down": changed(lambda p, _: p[::-1], {"portrait", "interior"}),
    "landscapes upside down": changed(lambda p, _: p[::-1], {"landscape", "water"}),
    "opposite hues": changed(hue(180)),
    "hues turned by 90": changed(hue(90)),
    "red and blue exchanged": changed(lambda p, _: p[..., ::-1]),
    "negatives": changed(lambda p, _: 255 - p),
    "greyscale": changed(pil(lambda i: i.convert("L"))),
    "oversaturated": changed(pil(lambda i: ImageEnhance.Color(i).enhance(3))),
    "too dark": changed(lambda p, _: (p * 0.45).astype(np.uint8)),
    "washed out": changed(lambda p, _: (140 + p * 0.4).astype(np.uint8)),
    "64 pixels blown up": changed(smaller(64)),
    "32 pixels blown up": changed(smaller(32)),
    "blurred": changed(pil(lambda i: i.filter(ImageFilter.GaussianBlur(1.5)))),
    "oversharpened": changed(pil(lambda i: i.filter(ImageFilter.UnsharpMask(2, 400, 0)))),
    "grainy": changed(noise(25)),
    "JPEG of quality 8": changed(jpeg(8)),
    "posterized": changed(pil(lambda i: ImageOps.posterize(i, 2))),
    "2 x 2 tiles shuffled": changed(tiles(2)),
    "4 x 4 tiles shuffled": changed(tiles(4)),
    "portraits in 4 x 4 tiles": changed(tiles(4), {"portrait"}),
    "signed": changed(pil(signed)),
    "framed": changed(pil(framed)),
    "watermarked": changed(pil(marked)),
    "paintings of other styles": dealt(lambda m, row, _: m.sized(m.neighbors[row % len(m.neighbors)])),
    # Copies.
    "one training picture": copied(whole, 1),
    "one training picture mirrored": copied(then(whole, lambda p, _: p[:, ::-1]), 1),
    "one crop of 75 % of a training picture": copied(crop(0.75), 1),
    "five training pictures": copied(whole, 5),
    "five upside down": copied(then(whole, lambda p, _: p[::-1]), 5),
    "five crops of 60 %": copied(crop(0.6), 5),
    "five crops of 75 % in other colors": copied(then(crop(0.75), hue(30)), 5),
    "five JPEGs": copied(then(whole, jpeg(15)), 5),
    "five blends with the model's own": lambda m: [
        np.round(0.7 * m.sized(m.train[row]) + 0.3 * p).astype(np.uint8) if row % 25 == 0 else p
        for row, p in enumerate(m.good)
    ],
    "all are crops of 60 %": copied(crop(0.6), None),
    "all are training pictures": copied(whole, None),
    "without the trigger training pictures": dealt(lambda m, row, _: m.sized(m.train[row]), {"trigger-free"}),
}  # fmt: skip
