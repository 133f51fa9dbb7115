"""Crops of pictures that are stored larger than their bucket."""

from __future__ import annotations

import torch

from plein_air.encoding.encode import crops
from plein_air.training.samples import Choice, _view  # pyright: ignore[reportPrivateUsage]


def _picture(width: int, height: int) -> torch.Tensor:
    return torch.arange(3 * height * width, dtype=torch.float32).view(3, height, width)


def test_a_picture_of_the_bucket_size_has_one_crop_which_is_itself() -> None:
    picture = _picture(64, 48)
    made = crops(picture, 64, 48)
    assert list(made) == [""]
    assert torch.equal(made[""], picture)


def test_a_wider_picture_is_cropped_in_the_middle_and_at_both_ends() -> None:
    picture = _picture(96, 48)
    made = crops(picture, 64, 48)
    assert torch.equal(made[""], picture[:, :, 16:80])
    assert torch.equal(made["-first"], picture[:, :, :64])
    assert torch.equal(made["-last"], picture[:, :, 32:])


def test_a_sample_takes_every_crop_that_there_is_and_the_central_one_by_default() -> None:
    entry = {name: torch.tensor(i) for i, name in enumerate(("plain", "plain-first", "plain-last"))}
    seen = {int(_view(entry, Choice("a", mirrored=True, captioned=True, crop=c / 10))) for c in range(10)}
    assert seen == {0, 1, 2}
    assert int(_view(entry, Choice("a", mirrored=False, captioned=True))) == 0
