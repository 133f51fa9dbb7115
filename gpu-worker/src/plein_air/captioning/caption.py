"""The verb `caption`: what a model sees in each picture, in its own words; style is taken out of them elsewhere.

Nothing is drawn at random and batches are the pictures in their order, so the same request gives the same words.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from plein_air.captioning.captioners import open_captioner, refusing
from plein_air.errors import Stopped, TrainerError, classify
from plein_air.evaluation.models import ModelFolder
from plein_air.protocol.decode import decode

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class CaptionParams:
    """Parameters of `caption`; see `CaptionParams` in the protocol."""

    model: str
    repo: str
    commit: str
    pictures: tuple[dict[str, str], ...]
    prompt: str
    max_tokens: int
    batch_size: int


def run(params: dict[str, Any], emit: Any, stop: threading.Event) -> dict[str, Any]:
    """Captions the pictures batch by batch."""
    wanted = decode(CaptionParams, params)
    total = len(wanted.pictures)
    emit.progress("loading the captioner", 0, total)
    folder = ModelFolder("captions", wanted.repo, wanted.commit, wanted.model, setting="dataset.captioner")
    captioner = open_captioner(folder)
    texts: list[str] = []
    for start in range(0, total, wanted.batch_size):
        if stop.is_set():
            raise Stopped
        batch = [_read(picture["path"]) for picture in wanted.pictures[start : start + wanted.batch_size]]
        try:
            with refusing(folder, "one that describes no picture"):
                texts += captioner.describe(batch, wanted.prompt, wanted.max_tokens)
        except Exception as error:
            raise _explained(error, wanted) from error
        emit.progress("captions", len(texts), total)
    captions = [
        {"id": picture["id"], "text": text.strip()} for picture, text in zip(wanted.pictures, texts, strict=True)
    ]
    return {"kind": captioner.kind, "captions": captions}


def _read(path: str) -> Image:
    from PIL import Image

    try:
        with Image.open(path) as picture:
            return picture.convert("RGB")
    except OSError as error:
        raise TrainerError("BadData", f"Expected a picture at {path}, got: {error}", {"path": path}) from error


def _explained(error: Exception, wanted: CaptionParams) -> TrainerError:
    failure = classify(error)
    if failure.kind != "OutOfMemory":
        return failure
    return TrainerError(
        "OutOfMemory",
        f"Expected {wanted.repo} to caption {wanted.batch_size} pictures at once on this machine, got no memory for it: "
        f"lower dataset.captioner.batchSize, or choose a smaller model ({failure})",
        failure.details,
    )
