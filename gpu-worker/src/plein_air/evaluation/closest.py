"""The pictures that come closest to training pictures, shown beside them: a person sees copying at once."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from plein_air.atomic_io import write_atomically
from plein_air.evaluation.copying import Nearest
from plein_air.evaluation.pictures import Dataset, SampleFolder, pixels_of

PAIRS = 8
"""Closest pairs that a report shows."""


def closest_pairs(
    folder: Path, nearest: Nearest, dataset: Dataset, candidate: SampleFolder, samples: list[dict[str, str]]
) -> list[dict[str, Any]]:
    """Writes `01.png`, … (the sample, its nearest training picture, its nearest unseen one) and describes them."""
    order = sorted(
        range(len(samples)), key=lambda row: (-round(float(nearest.train_cosine[row]), 9), samples[row]["id"])
    )
    shown = order[:PAIRS]
    train_pixels = pixels_of([dataset.train[nearest.train[row]] for row in shown])
    unseen_pixels = pixels_of([dataset.unseen[nearest.held_out[row]] for row in shown])
    pairs: list[dict[str, Any]] = []
    for place, row in enumerate(shown, start=1):
        train = dataset.train[nearest.train[row]]
        unseen = dataset.unseen[nearest.held_out[row]]
        name = f"{place:02d}.png"
        pictures = [candidate.pixels[row], train_pixels[train.id], unseen_pixels[unseen.id]]
        write_atomically(folder / name, _side_by_side(pictures))
        pairs.append(
            {
                "sample": samples[row]["id"],
                "train": train.id,
                "trainCosine": float(nearest.train_cosine[row]),
                "unseen": unseen.id,
                "unseenCosine": float(nearest.held_out_cosine[row]),
                "picture": f"closest/{name}",
            }
        )
    return pairs


def _side_by_side(pictures: list[Any]) -> bytes:
    from PIL import Image

    height = pictures[0].shape[0]
    scaled = [
        Image.fromarray(p).resize((max(1, round(p.shape[1] * height / p.shape[0])), height), Image.Resampling.BICUBIC)
        for p in pictures
    ]
    gap = 4
    canvas = np.full((height, sum(s.width for s in scaled) + gap * (len(scaled) - 1), 3), 255, dtype=np.uint8)
    left = 0
    for picture in scaled:
        canvas[:, left : left + picture.width] = np.asarray(picture)
        left += picture.width + gap
    buffer = io.BytesIO()
    Image.fromarray(canvas).save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()
