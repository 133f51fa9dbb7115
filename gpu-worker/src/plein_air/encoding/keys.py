"""Content addresses of encoded pictures and captions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plein_air.dataset.choices import View
from plein_air.dataset.prepared import Picture
from plein_air.devices import device_kind
from plein_air.encoding.store import content_key
from plein_air.families.family import Base

if TYPE_CHECKING:
    import torch

VERSION = "2"
"""Grows when the same inputs would be encoded to other tensors."""


class Keys:
    """Addresses under one base on one kind of device: two kinds of GPU may round differently, and never share an entry."""

    def __init__(self, base: Base) -> None:
        """Hashes the encoders' files, once a session."""
        self._device = device_kind(base.device)
        self._vae, self._text = base.part_sha256("vae"), base.part_sha256("text")
        self._text_dtype = str(base.text_dtype())
        self._latents_dtype = str(latents_dtype(base))

    def latents(self, picture: Picture, view: View) -> str:
        """Address of a view of a picture: its pixels, its size, the VAE's weights and the type it is kept in."""
        what = (picture.id, f"{picture.width}x{picture.height}", f"{int(view.mirrored)} {view.crop}")
        return content_key("latents", VERSION, *what, self._latents_dtype, self._device, self._vae)

    def text(self, caption: str) -> str:
        """Address of a caption's embeddings: its words, the encoders' weights and the type they compute in."""
        return content_key("text", VERSION, caption, self._text_dtype, self._device, self._text)


def latents_dtype(base: Base) -> torch.dtype:
    """The type that latents are kept in: fp16 where the transformer computes in half precision.

    Its 11 bits of mantissa are as many as an fp16 transformer takes in and 3 more than a bf16 one does, so that half the
    room costs nothing that the first layer would not round away; a training in fp32 keeps fp32.
    """
    import torch

    return torch.float32 if base.options.precision == "fp32" else torch.float16
