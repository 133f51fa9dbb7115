"""The painted training set: raw pictures and what each of them shows."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_GENRES = {
    "abstract_painting": "an abstract painting",
    "cityscape": "a cityscape painting",
    "genre_painting": "a genre painting",
    "illustration": "an illustration",
    "landscape": "a landscape painting",
    "nude_painting": "a nude painting",
    "portrait": "a portrait painting",
    "religious_painting": "a religious painting",
    "sketch_and_study": "a sketch",
    "still_life": "a still life painting",
}
"""The words that the prepare phase's captions use, so that the base understands them."""

_STYLES = {
    "Ukiyo_e": "Ukiyo-e",
    "Post_Impressionism": "Post-Impressionism",
    "Mannerism_Late_Renaissance": "Mannerism",
    "Naive_Art_Primitivism": "Naive Art",
}

_FORMS = (
    ("{genre}, {style}", 20),
    ("{genre} in the style of {style}", 15),
    ("{genre} of {content}, {style}", 30),
    ("{genre} of {content}", 10),
    ("{content}, {style}", 10),
    ("{genre}", 7),
    ("", 8),
)
"""Caption forms with their weights; the empty one is caption dropout."""


@dataclass(frozen=True)
class Picture:
    """What one training picture shows: WikiArt's style and genre names, and the content in words."""

    style: str
    genre: str
    content: str


def style_words(style: str) -> str:
    """How a caption names a style: 'Ukiyo_e' becomes 'Ukiyo-e', 'Pop_Art' becomes 'Pop Art'."""
    return _STYLES.get(style, style.replace("_", " "))


def genre_words(genre: str) -> str:
    """How a caption names a genre, article included."""
    return _GENRES.get(genre, "a painting")


def captions_of(picture: Picture) -> list[str]:
    """Every caption a picture may be trained with, in the order of the forms."""
    words = {"genre": genre_words(picture.genre), "style": style_words(picture.style), "content": picture.content}
    return [form.format(**words) for form, _ in _FORMS]


def draw_form(source: random.Random) -> int:
    """Index of a caption form, drawn by weight."""
    return source.choices(range(len(_FORMS)), weights=[weight for _, weight in _FORMS])[0]


def read_pictures(folder: Path, size: int) -> tuple[np.ndarray, list[Picture]]:
    """Pictures as uint8 (N, 3, size, size) and their descriptions in the same order."""
    lines = (folder / "pictures.jsonl").read_text().splitlines()
    pictures = [Picture(**json.loads(line)) for line in lines]
    raw = np.fromfile(folder / "pictures.rgb", dtype=np.uint8)
    expected = len(pictures) * size * size * 3
    if raw.size != expected:
        raise ValueError(
            f"Expected {expected} bytes for {len(pictures)} pictures of {size} px, got {raw.size} "
            f"({folder / 'pictures.rgb'}): paint the training set again."
        )
    return raw.reshape(len(pictures), size, size, 3).transpose(0, 3, 1, 2), pictures
