"""One picture that CMMD likes: pixels moved until the encoder sees the mean of the unseen paintings.

    python bench/gate_collapse.py DATASET OUT.png SIDE

DATASET is a prepared dataset (`data/*.parquet`), its unseen paintings are what the picture is moved to. Repeated for every
prompt it is nearer to the paintings than the base by CMMD and by KID, and has the style's margin: what is left to refuse it
is diversity.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "gpu-worker" / "src"))

import numpy as np
import torch
from PIL import Image

from plein_air.evaluation import features
from plein_air.evaluation.pictures import pixels_of, read_dataset


def main() -> None:
    """Writes the picture."""
    paintings, out = read_dataset(Path(sys.argv[1]), "test").unseen, Path(sys.argv[2])
    side = int(sys.argv[3])
    by_id = pixels_of(paintings)
    pixels = [by_id[painting.id] for painting in paintings]
    start = features.square(pixels[0], side)
    unseen = features.open_encoder("efficientnet-lite0", side).features(pixels)
    network = features._loaded["efficientnet-lite0"]
    mean, deviation = (
        torch.tensor(values).view(1, 3, 1, 1) for values in (features._IMAGENET_MEAN, features._IMAGENET_DEVIATION)
    )
    wanted = torch.from_numpy(unseen.mean(0)).float()
    pixels = torch.from_numpy(start).permute(2, 0, 1)[None].clone().requires_grad_()
    optimizer = torch.optim.Adam([pixels], lr=0.01)
    for _ in range(150):
        optimizer.zero_grad()
        seen = network.extract_features((pixels.clamp(0, 1) - mean) / deviation).mean((2, 3))
        ((seen - wanted) ** 2).sum().backward()
        optimizer.step()
    made = pixels.detach().clamp(0, 1)[0].permute(1, 2, 0).numpy() * 255
    Image.fromarray(made.round().astype(np.uint8)).save(out)


if __name__ == "__main__":
    main()
