"""Content addresses of encoded pictures and captions."""

from __future__ import annotations

from plein_air.encoding.prepared import Picture
from plein_air.encoding.store import content_key
from plein_air.families.family import Base

VERSION = "1"
"""Grows when the same inputs would be encoded to other tensors."""


def latents_key(picture: Picture, base: Base) -> str:
    """Address of a picture's latents: its pixels, its size, the VAE's weights."""
    return content_key("latents", VERSION, picture.id, f"{picture.width}x{picture.height}", base.part_sha256("vae"))


def text_key(caption: str, base: Base) -> str:
    """Address of a caption's embeddings: its words, the encoders' weights and the type they compute in."""
    return content_key("text", VERSION, caption, str(base.text_dtype()), base.part_sha256("text"))
