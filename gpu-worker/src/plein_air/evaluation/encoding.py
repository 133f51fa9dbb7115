"""Every model of an evaluation over all pictures, one model in memory at a time."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from plein_air.errors import Stopped, TrainerError
from plein_air.evaluation import models
from plein_air.evaluation.appearance import Looks
from plein_air.evaluation.copying import Copies, both_ways
from plein_air.evaluation.features import Encoder, open_encoder
from plein_air.evaluation.model_weights import open_copies, open_csd
from plein_air.evaluation.models import ModelFolder, TextImage
from plein_air.evaluation.pictures import describe_all
from plein_air.evaluation.thumbnails import thumbnails

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from plein_air.evaluation.intervals import Floats
    from plein_air.evaluation.pictures import Dataset
    from plein_air.evaluation.scene import Shown

    Picture = NDArray[np.uint8]

LEFT_OUT = {
    "clip": (
        "adherence.clip",
        "no CLIP is named (evaluation.models.clip); the Gaussian MMD is measured in the set encoder's space",
    ),
    "questions": ("adherence.vqa", "no LLaVA is named (evaluation.models.questions)"),
    "style": ("csd.similarity", "no CSD is named (evaluation.models.style); style is measured by the set encoder"),
    "copies": (
        "copying in SSCD's or DINOv2's space",
        "no such model is named (evaluation.models.copies); copying is measured by thumbnails",
    ),
    "preference": ("preference", "no preference model is named (evaluation.models.preference)"),
}
"""What is not measured without a model of a role, and why: left out openly, never invented."""


@dataclass(frozen=True)
class Seen:
    """Real paintings by role, and the encoder of the sets."""

    encoder: Encoder
    unseen: dict[str, Floats]
    train: Floats
    """In the space of copying, shape (n, 2, d): as it is, and mirrored as a training with flips sees it."""
    train_set: Floats
    """By the encoder of the sets."""
    neighbors: Floats
    neighbors_copies: Floats
    """In the space of copying, shape (n, d)."""
    train_looks: Looks
    neighbor_looks: Looks
    copies: Copies
    """What was learnt about copies of the training pictures, and each model's copies."""


_CACHE: dict[str, tuple[str, Any]] = {}
"""What was learnt of the paintings last, by name: a run measures the same ones for every checkpoint that it compares, and
then for the gate, whose unseen ones are others."""


def _kept(name: str, key: str, make: Callable[[], Any]) -> Any:
    if _CACHE.get(name, ("",))[0] != key:
        _CACHE[name] = (key, make())
    return _CACHE[name][1]


class Encoding:
    """Feeds each model with the pictures that its figures need."""

    def __init__(self, folders: Sequence[ModelFolder], emit: Any, stop: threading.Event) -> None:
        """Loads nothing yet."""
        self._folders = {folder.role: folder for folder in folders}
        self._emit, self._stop = emit, stop
        self._done = self._total = 0

    def run(self, name: str, side: int, dataset: Dataset, shown: Sequence[Shown], texts: Sequence[str]) -> Seen:
        """Fills in the features and scores of every model's pictures; returns those of the paintings."""
        unseen, train = dataset.unseen, dataset.train
        self._total = self._count(len(shown) * len(texts), len(unseen), len(train), len(dataset.neighbors))
        encoder = self._set_encoder(name, side)
        describe = partial(self._features, encoder)
        by = f"{encoder.weights_sha256} {encoder.side}"
        splits = ("unseen", "train", "neighbors")
        seen_set, own, beside = (self._seen(dataset, split, f"set {split}", by, describe) for split in splits)
        seen = {"set": seen_set}
        for one in shown:
            one.features["set"] = self._features(encoder, one.pixels)
        if "style" in self._folders:
            csd = open_csd(self._folders["style"])
            describe = partial(self._features, csd)
            seen["style"] = self._seen(dataset, "unseen", "style", csd.weights_sha256, describe)
            for one in shown:
                one.features["style"] = self._features(csd, one.pixels)
            del csd
            models.forget()
        train_seen, others = self._copies(seen, dataset, shown)
        models.forget()
        self._words(seen, dataset, shown, texts)
        copies = _kept("copies", json.dumps(dataset.files), lambda: Copies.of(train, unseen, self._beat))
        train_looks, neighbor_looks = (
            Looks(self._seen(dataset, split, f"looks {split}", "", Looks.rows_of)) for split in ("train", "neighbors")
        )
        ours = shown[0]
        ours.scores["copying.likeness"] = copies.find(ours.pixels, self._beat).likeness
        return Seen(encoder, seen, train_seen, own, beside, others, train_looks, neighbor_looks, copies)

    def _seen(
        self, dataset: Dataset, split: str, name: str, by: str, describe: Callable[[Sequence[Picture]], Floats]
    ) -> Floats:
        """What a model makes of a split's paintings, once a session: features are kept, pixels are not.

        Args:
            dataset: Whose paintings.
            split: `train`, `unseen` or `neighbors`.
            name: Of what is kept; the last one of a name is.
            by: What identifies the model.
            describe: Features of pictures.
        """

        def described(pictures: Sequence[Picture]) -> Floats:
            self._beat()
            return describe(pictures)

        paintings = getattr(dataset, split)
        key = json.dumps([by, sorted({dataset.files[f"data/{painting.file.name}"] for painting in paintings})])
        return _kept(name, key, lambda: describe_all(paintings, described))

    def _beat(self) -> None:
        if self._stop.is_set():
            raise Stopped
        self._emit.progress("features", self._done, self._total)

    def _count(self, painted: int, unseen: int, train: int, neighbors: int) -> int:
        total = painted + unseen + train + neighbors
        each = {
            "copies": painted + 2 * (unseen + train) + neighbors,
            "style": painted + unseen,
            "clip": painted + unseen,
        }
        return total + sum(each.get(role, painted) for role in self._folders if role != "features")

    def _set_encoder(self, name: str, side: int) -> Encoder:
        if name != "dinov2-base":
            return open_encoder(name, side)
        if "features" not in self._folders:
            raise TrainerError(
                "InvalidInput",
                "Expected a DINOv2 repository for encoder dinov2-base, got none (evaluation.models.features).",
                {"field": "models.features"},
            )
        opened = models.open_dinov2(self._folders["features"])
        return Encoder(name, opened.package, opened.weights_sha256, opened.dimensions, opened.side, opened.encode)

    def _copies(self, seen: dict[str, Floats], dataset: Dataset, shown: Sequence[Shown]) -> tuple[Floats, Floats]:
        """Fills in the role `copies`, from a model where one is named; returns the training pictures' and neighbors'."""
        describe: Callable[[Sequence[Picture]], Floats] = thumbnails
        by = ""
        if "copies" in self._folders:
            model = open_copies(self._folders["copies"])
            describe, by = partial(self._features, model), model.weights_sha256
        both = partial(both_ways, describe=describe)
        seen["copies"] = self._seen(dataset, "unseen", "copying unseen", by, both)
        train_seen = self._seen(dataset, "train", "copying train", by, both)
        for one in shown:
            one.features["copies"] = describe(one.pixels)
        return train_seen, self._seen(dataset, "neighbors", "copying neighbors", by, describe)

    def _words(self, seen: dict[str, Floats], dataset: Dataset, shown: Sequence[Shown], texts: Sequence[str]) -> None:
        if "clip" in self._folders:
            clip = models.open_clip(self._folders["clip"])
            describe = partial(self._features, clip.pictures)
            seen["clip"] = self._seen(dataset, "unseen", "clip", clip.pictures.weights_sha256, describe)
            for one in shown:
                one.features["clip"], one.scores["clip"] = self._scored(clip, one, texts)
            del clip
            models.forget()
        if "preference" in self._folders:
            taste = models.open_clip(self._folders["preference"])
            for one in shown:
                one.scores["preference"] = self._scored(taste, one, texts)[1] * taste.scale
            del taste
            models.forget()
        if "questions" in self._folders:
            ask = models.open_questions(self._folders["questions"])
            for one in shown:
                one.scores["vqa"] = ask(one.pixels, texts, self._step())
                self._done += len(texts)
            del ask
            models.forget()

    def _scored(self, model: TextImage, one: Shown, texts: Sequence[str]) -> tuple[Floats, Floats]:
        embedded = self._features(model.pictures, one.pixels)
        return embedded, model.scores(embedded, texts)

    def _features(self, encoder: Encoder, pictures: Sequence[Picture]) -> Floats:
        found = encoder.features(pictures, self._step())
        self._done += len(pictures)
        return found

    def _step(self) -> Callable[[int], None]:
        before = self._done

        def step(done: int) -> None:
            if self._stop.is_set():
                raise Stopped
            self._emit.progress("features", before + done, self._total)

        if self._stop.is_set():
            raise Stopped
        return step
