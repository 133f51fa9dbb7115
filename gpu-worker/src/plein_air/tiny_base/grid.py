"""Sample grids: what a base paints for a fixed set of prompts and seeds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers import FluxPipeline
from PIL import Image

PROMPTS = tuple(
    f"{subject}, {style}"
    for style in (
        "Realism",
        "Ukiyo-e",
        "Cubism",
        "Pointillism",
        "Expressionism",
        "Romanticism",
        "Pop Art",
        "Minimalism",
    )
    for subject in (
        "a landscape painting of a river with trees at dusk",
        "a landscape painting of the sea with boats in summer",
        "a cityscape painting of a street of houses at night",
        "a portrait painting of a woman in red",
        "a still life painting of flowers in a vase and apples on a white cloth",
        "a genre painting",
    )
)


@torch.no_grad()
def sample(
    pipeline: FluxPipeline, prompts: Sequence[str], *, steps: int = 16, seed: int = 7, size: int = 128
) -> list[Image.Image]:
    """One picture a prompt; the noise of each depends on its place alone."""
    pipeline.set_progress_bar_config(disable=True)
    pictures: list[Image.Image] = []
    length = pipeline.tokenizer_2.model_max_length
    for start in range(0, len(prompts), 16):
        chunk = list(prompts[start : start + 16])
        generators = [torch.Generator().manual_seed(seed * 1000 + start + place) for place in range(len(chunk))]
        pictures += pipeline(
            prompt=chunk,
            height=size,
            width=size,
            num_inference_steps=steps,
            guidance_scale=1.0,
            max_sequence_length=length,
            generator=generators,
        ).images
    return pictures


def write_grid(pictures: Sequence[Image.Image], columns: int, path: Path, gap: int = 4) -> None:
    """Pictures row by row on white, as a PNG."""
    width, height = pictures[0].size
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * (width + gap) + gap, rows * (height + gap) + gap), "white")
    for place, picture in enumerate(pictures):
        sheet.paste(picture, (gap + place % columns * (width + gap), gap + place // columns * (height + gap)))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)
