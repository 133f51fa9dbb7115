"""Strips of sample pictures while training goes on, and how close they come to training pictures."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from plein_air.base import FluxBase, decode_latents
from plein_air.durable import write_atomically
from plein_air.encoding.prepared import Picture, read_images
from plein_air.evaluation.copying import both_ways, find_nearest
from plein_air.evaluation.intervals import Floats
from plein_air.evaluation.thumbnails import thumbnails
from plein_air.training.randomness import draw, shuffled
from plein_air.training.samples import Samples
from plein_air.training.settings import Sampling

if TYPE_CHECKING:
    from numpy.typing import NDArray

PICTURES = 4
"""Pictures a strip, half of them with captions that are trained on: where copying shows first."""
MOST_COMPARED = 256
"""Pictures of each split that copying is measured against."""
_SEED = 0
"""Not the run's: strips of runs with different seeds must be comparable."""


class Strips:
    """Paints the same captions with the same noise every time, with the adapter as it is."""

    def __init__(self, base: FluxBase, sampling: Sampling, train: Samples, held_out: Samples, out: str) -> None:
        """Chooses the captions; `out` gets `strips/step-….png`."""
        self._base = base
        self._sampling = sampling
        self._splits = (train, held_out)
        self._folder = Path(out) / "strips"
        self._painted: list[NDArray[np.uint8]] = []
        self._compared: tuple[Floats, Floats] | None = None

    def paint(self, step: int, on_progress: Callable[[], None]) -> tuple[Path, str]:
        """Writes the strip of a step; its path and sha256. `on_progress` hears after every denoising step."""
        from PIL import Image

        self._painted = self._paint(on_progress)
        picture = Image.fromarray(np.concatenate(self._painted, axis=1))
        buffer = io.BytesIO()
        picture.save(buffer, "PNG", compress_level=6)
        path = self._folder / f"step-{step:08d}.png"
        write_atomically(path, buffer.getvalue())
        return path, hashlib.sha256(buffer.getvalue()).hexdigest()

    def copying(self) -> float:
        """How much nearer the strip's pictures are to training pictures than to unseen ones: a difference of cosines."""
        if self._compared is None:
            train, held_out = (_pictures(split) for split in self._splits)
            self._compared = both_ways(train, thumbnails), both_ways(held_out, thumbnails)
        return excess_nearness(self._painted, *self._compared)

    def _paint(self, on_progress: Callable[[], None]) -> list[NDArray[np.uint8]]:
        import torch

        pipeline: Any = self._base.pipeline()
        painted: list[NDArray[np.uint8]] = []

        def heard(_pipeline: Any, _step: int, _time: Any, kept: dict[str, Any]) -> dict[str, Any]:
            on_progress()
            return kept

        try:
            with torch.no_grad():
                for index, split in enumerate(self._splits):
                    for sample_id in shuffled(list(split.pictures), _SEED, "strip")[: PICTURES // 2]:
                        noise = torch.Generator("cpu").manual_seed(draw(_SEED, "strip", index, len(painted)))
                        painted.append(self._picture(pipeline, split.caption(sample_id), noise, heard))
        finally:
            if self._base.device.type == "cuda":
                del pipeline
                self._base.release("vae")
        return painted

    def _picture(self, pipeline: Any, caption: tuple[Any, Any], noise: Any, heard: Any) -> NDArray[np.uint8]:
        """One picture, height x width x 3; what is not finite is black."""
        sequence, pooled = caption
        sampling, dtype = self._sampling, self._base.holding.dtype()
        made: Any = pipeline(
            prompt_embeds=sequence[None].to(dtype),
            pooled_prompt_embeds=pooled[None].to(dtype),
            width=sampling.size,
            height=sampling.size,
            num_inference_steps=sampling.inference_steps,
            guidance_scale=float(sampling.guidance),
            generator=noise,
            output_type="latent",
            callback_on_step_end=heard,
        )
        picture = np.nan_to_num(decode_latents(pipeline, made.images, sampling.size)[0]).clip(0, 1)
        return np.round(picture * 255).astype(np.uint8)


def excess_nearness(painted: list[NDArray[np.uint8]], train: Floats, held_out: Floats) -> float:
    """Mean over pictures of (cosine to the nearest training picture - cosine to the nearest unseen one), by thumbnails.

    Args:
        painted: Pictures, each height x width x 3.
        train: Thumbnails of training pictures and of their mirror images, shape (m, 2, d).
        held_out: The same of unseen ones.
    """
    middle = np.concatenate([train, held_out]).mean((0, 1))
    nearest = find_nearest(thumbnails(painted), train, held_out, middle)
    return float((nearest.train_cosine - nearest.held_out_cosine).mean())


def _pictures(split: Samples) -> list[NDArray[np.uint8]]:
    from PIL import Image

    chosen: list[Picture] = [
        split.pictures[i] for i in shuffled(list(split.pictures), _SEED, "compared")[:MOST_COMPARED]
    ]
    images = read_images(chosen)
    pictures: list[NDArray[np.uint8]] = []
    for picture in chosen:
        with Image.open(io.BytesIO(images[picture.id])) as image:
            pictures.append(np.asarray(image.convert("RGB")))
    return pictures
