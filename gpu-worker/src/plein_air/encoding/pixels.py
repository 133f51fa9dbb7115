"""Pixels of prepared pictures, and the windows of them that are encoded."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from plein_air.dataset.choices import View
from plein_air.dataset.prepared import Picture
from plein_air.errors import TrainerError

if TYPE_CHECKING:
    import torch

MIN_SURPLUS = 16
"""Pixels beyond the bucket along a side from which on crops differ."""


def pixels_of(picture: Picture, data: bytes) -> torch.Tensor:
    """Pixels (3, rows, columns) in -1 to 1 of a picture's encoded bytes; BadData where they do not cover its bucket."""
    import numpy as np
    import torch
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            array = np.asarray(image.convert("RGB"), dtype=np.float32)
    except OSError as error:
        raise TrainerError(
            "BadData", f"Expected a picture in row {picture.row} of {picture.file}, got: {error}"
        ) from error
    if array.shape[0] < picture.height or array.shape[1] < picture.width:
        raise TrainerError(
            "BadData",
            f"Expected picture {picture.id} to cover {picture.width}x{picture.height}, got {array.shape[1]}x{array.shape[0]}: "
            "prepare the dataset again.",
        )
    return torch.from_numpy(array).permute(2, 0, 1).div(127.5).sub(1.0).contiguous()


def same_crop(pixels: torch.Tensor, picture: Picture, view: View) -> int:
    """Number of the crop that shows a view's window: the central one where the picture is hardly larger than its bucket."""
    return view.crop if max(_surplus(pixels, picture)) >= MIN_SURPLUS else 0


def crop_of(pixels: torch.Tensor, picture: Picture, view: View) -> torch.Tensor:
    """Pixels (3, height, width) of a view's window of the bucket's size."""
    down, across = _surplus(pixels, picture)
    top, left = [(down // 2, across // 2), (0, 0), (down, across)][same_crop(pixels, picture, view)]
    window = pixels[:, top : top + picture.height, left : left + picture.width]
    return (window.flip(-1) if view.mirrored else window).contiguous()


def _surplus(pixels: torch.Tensor, picture: Picture) -> tuple[int, int]:
    """Rows and columns of pixels beyond the bucket."""
    return pixels.shape[1] - picture.height, pixels.shape[2] - picture.width
