"""Validation images while training goes on, and how close they come to training pictures."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from plein_air.atomic_io import write_atomically
from plein_air.dataset.needs import validation_ids
from plein_air.dataset.prepared import Picture, read_images
from plein_air.evaluation.copying import both_ways, find_nearest
from plein_air.evaluation.intervals import Floats
from plein_air.evaluation.thumbnails import thumbnails
from plein_air.families.family import Base
from plein_air.randomness import draw, shuffled
from plein_air.training.samples import Samples
from plein_air.training.settings import Sampling

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_COMPARED = 256
"""Pictures of each split that copying is measured against."""
_SEED = 0
"""Not the run's: images of runs with different seeds must be comparable."""


class ValidationImages:
    """Generates images from the same captions with the same noise every time, with the adapter as it is."""

    def __init__(self, base: Base, sampling: Sampling, train: Samples, held_out: Samples, out: str) -> None:
        """Chooses the captions; `out` gets `validation/step-….png`, the images beside each other."""
        self._base = base
        self._sampling = sampling
        self._splits = (train, held_out)
        self._folder = Path(out) / "validation"
        self._images: list[NDArray[np.uint8]] = []
        self._compared: tuple[Floats, Floats] | None = None

    def generate(self, step: int, on_progress: Callable[[], None]) -> tuple[Path, str]:
        """Writes the images of a step; the file's path and sha256. `on_progress` is called after every denoising step."""
        from PIL import Image

        self._images = self._generate(on_progress)
        picture = Image.fromarray(np.concatenate(self._images, axis=1))
        buffer = io.BytesIO()
        picture.save(buffer, "PNG", compress_level=6)
        path = self._folder / f"step-{step:08d}.png"
        write_atomically(path, buffer.getvalue())
        return path, hashlib.sha256(buffer.getvalue()).hexdigest()

    def copying(self) -> float:
        """How much nearer the images are to training pictures than to unseen ones: a difference of cosines."""
        if self._compared is None:
            train, held_out = (_pictures(split) for split in self._splits)
            self._compared = both_ways(train, thumbnails), both_ways(held_out, thumbnails)
        return excess_nearness(self._images, *self._compared)

    def _generate(self, on_progress: Callable[[], None]) -> list[NDArray[np.uint8]]:
        import torch

        sampling = self._sampling
        images: list[NDArray[np.uint8]] = []
        try:
            with self._base.generator() as generate:
                for index, split in enumerate(self._splits):
                    for sample_id in validation_ids(split.pictures):
                        noise = torch.Generator("cpu").manual_seed(draw(_SEED, "strip", index, len(images)))
                        made = generate(
                            embeddings=[split.caption(sample_id)],
                            generators=[noise],
                            size=sampling.size,
                            steps=sampling.inference_steps,
                            guidance=float(sampling.guidance),
                            on_step=on_progress,
                        )
                        # What is not finite is black.
                        images.append(np.round(np.nan_to_num(made[0]).clip(0, 1) * 255).astype(np.uint8))
        finally:
            if self._base.device.type == "cuda":
                self._base.release("vae")
        return images


def excess_nearness(images: list[NDArray[np.uint8]], train: Floats, held_out: Floats) -> float:
    """Mean over pictures of (cosine to the nearest training picture - cosine to the nearest unseen one), by thumbnails.

    Args:
        images: Each height x width x 3.
        train: Thumbnails of training pictures and of their mirror images, shape (m, 2, d).
        held_out: The same of unseen ones.
    """
    middle = np.concatenate([train, held_out]).mean((0, 1))
    nearest = find_nearest(thumbnails(images), train, held_out, middle)
    return float((nearest.train_cosine - nearest.held_out_cosine).mean())


def _pictures(split: Samples) -> list[NDArray[np.uint8]]:
    from PIL import Image

    chosen: list[Picture] = [
        split.pictures[i] for i in shuffled(list(split.pictures), _SEED, "compared")[:MAX_COMPARED]
    ]
    images = read_images(chosen)
    pictures: list[NDArray[np.uint8]] = []
    for picture in chosen:
        with Image.open(io.BytesIO(images[picture.id])) as image:
            pictures.append(np.asarray(image.convert("RGB")))
    return pictures
