"""Crops of pictures that are stored larger than their bucket."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from plein_air.dataset.choices import CROPS, Choice, Draws, View, choice_of
from plein_air.dataset.prepared import Picture
from plein_air.encoding.pixels import crop_of, same_crop


def _picture(flip_allowed: bool = True) -> Picture:
    return Picture("a", "", 64, 48, flip_allowed, Path("none"), 0)


def _pixels(width: int, height: int) -> torch.Tensor:
    return torch.arange(3 * height * width, dtype=torch.float32).view(3, height, width)


@pytest.mark.parametrize("crop", range(CROPS))
def test_a_picture_of_the_bucket_size_has_one_crop_which_is_itself(crop: int) -> None:
    pixels = _pixels(64, 48)
    assert torch.equal(crop_of(pixels, _picture(), View(crop=crop)), pixels)
    assert same_crop(pixels, _picture(), View(crop=crop)) == 0


@pytest.mark.parametrize(("crop", "left"), [(0, 16), (1, 0), (2, 32)])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_wider_picture_is_cropped_in_the_middle_and_at_both_ends(crop: int, left: int, mirrored: bool) -> None:
    pixels = _pixels(96, 48)
    window = crop_of(pixels, _picture(), View(mirrored, crop))
    assert same_crop(pixels, _picture(), View(mirrored, crop)) == crop
    expected = pixels[:, :, left : left + 64]
    assert torch.equal(window, expected.flip(-1) if mirrored else expected)


def test_samples_take_every_crop_and_the_central_one_by_default() -> None:
    draws = Draws(seed=1, steps=1, batch_size=1, accumulation=1, flip=0.5, caption_dropout=0.1)
    assert {choice_of(draws, step, 0, "a").crop for step in range(60)} == set(range(CROPS))
    assert Choice("a").view(_picture()) == View(False, 0)


def test_a_picture_that_may_not_be_mirrored_never_is() -> None:
    assert Choice("a", mirrored=True).view(_picture(flip_allowed=False)) == View(False, 0)
    assert Choice("a", mirrored=True).view(_picture()) == View(True, 0)
