"""Pictures of a good model spoiled in many ways, each measured by the real verb `evaluate`.

    python bench/gate_image_mutants.py BASE CANDIDATE DATASET set.json OUT [--only NAME …] [--second FOLDER]

BASE and CANDIDATE are folders that the verb `sample` filled from the set (`bench/sample-set.ts`), DATASET is a prepared
dataset. OUT gets a folder a mutant with `report.json`; `bench/gate-image-mutants.ts` runs this and judges. With a
second candidate, reports compare with it as production.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1] / "gpu-worker" / "src"))

import numpy as np
from PIL import Image

from image_mutants import MUTANTS, Material, Picture
from plein_air.evaluation import appearance, evaluate, scene
from plein_air.evaluation.features import Encoder
from plein_air.evaluation.pictures import pixels_of, read_dataset, read_samples

ADAPTER = b"an adapter"


def remember() -> None:
    """What was seen in a picture once is not computed again: most mutants leave most pictures as they are."""
    encode, measured = Encoder.features, appearance.traits
    features: dict[bytes, Any] = {}
    traits: dict[bytes, Any] = {}

    def each(known: dict[bytes, Any], pictures: Any, compute: Any) -> Any:
        if not len(pictures):
            return compute(pictures)
        keys = [
            hashlib.sha256(np.ascontiguousarray(picture)).digest() + bytes(picture.shape[:2]) for picture in pictures
        ]
        new = [row for row, key in enumerate(keys) if key not in known]
        for row, found in zip(new, compute([pictures[row] for row in new]), strict=True):
            known[keys[row]] = found
        return np.array([known[key] for key in keys])

    def encoded(self: Encoder, pictures: Any, step: Any = None) -> Any:
        return each(features, pictures, lambda new: encode(self, new, step))

    Encoder.features = encoded  # type: ignore[method-assign]
    scene.traits = lambda pictures: each(traits, pictures, measured)  # type: ignore[assignment]


class Quiet:
    """Events that go nowhere."""

    def progress(self, *_: Any) -> None: ...


def main() -> None:
    """Measures every mutant that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("base", "candidate", "dataset", "set", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--second", type=Path)
    parser.add_argument("--reference", choices=("test", "held_out"), default="test")
    asked = parser.parse_args()
    remember()
    sample_set = json.loads(asked.set.read_text())
    samples = [s for s in sample_set["samples"] if (asked.candidate / f"{s['id']}.png").is_file()]
    test, held_out = (read_dataset(asked.dataset, split) for split in (asked.reference, "held_out"))
    material = Material(
        samples,
        list(read_samples(asked.base, samples).pixels),
        list(read_samples(asked.candidate, samples).pixels),
        list(pixels_of(test.train).values()),
        [(painting.genre, pixels_of([painting])[painting.id]) for painting in held_out.unseen],
        list(pixels_of(test.neighbors).values()),
    )
    second = list(read_samples(asked.second, samples).pixels) if asked.second else None
    for name, spoil in MUTANTS.items():
        if asked.only is None or name in asked.only:
            measure(asked, sample_set, material, name, spoil, second)
            print(name, flush=True)


def measure(
    asked: argparse.Namespace,
    sample_set: dict[str, Any],
    material: Material,
    name: str,
    spoil: Callable[[Material], list[Picture]],
    second: list[Picture] | None,
) -> None:
    """The report on one mutant's pictures."""
    folder = asked.out / name.replace(" ", "-").replace("/", "-")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "adapter").write_bytes(ADAPTER)
    sha256 = hashlib.sha256(ADAPTER).hexdigest()
    rivals: list[dict[str, Any]] = []
    if second is not None:
        made = write(folder / "production", material.samples, second, "f" * 64, sample_set)
        prompts = [sample["prompt"] for sample in material.samples]
        rivals = [
            {"name": "production", "tag": "v1", "adapterSha256": "f" * 64, "samples": str(made), "prompts": prompts}
        ]
    params = {
        "base": "unused", "adapter": str(folder / "adapter"), "dataset": str(asked.dataset), "rivals": rivals,
        "baseSamples": str(write(asked.out / "of-base", material.samples, material.base, None, sample_set)),
        "candidateSamples": str(write(folder / "candidate", material.samples, spoil(material), sha256, sample_set)),
        "parity": None, "encoder": sample_set["evaluation"]["encoder"], "models": [], "heldOutLoss": None,
        "samples": [{key: value for key, value in sample.items() if key != "seed"} for sample in material.samples],
        "confidence": sample_set["gate"]["lookConfidence"], "seed": 0, "reference": asked.reference, "out": str(folder),
    }  # fmt: skip
    evaluate.run(params, Quiet(), threading.Event())


def write(
    folder: Path,
    samples: list[dict[str, Any]],
    pictures: list[Picture],
    adapter: str | None,
    sample_set: dict[str, Any],
) -> Path:
    """A sample folder as the verb `sample` leaves it."""
    folder.mkdir(parents=True, exist_ok=True)
    if adapter is None and (folder / "manifest.json").is_file():
        return folder
    entries: list[dict[str, Any]] = []
    for sample, picture in zip(samples, pictures, strict=True):
        buffer = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(picture)).save(buffer, "PNG", compress_level=1)
        (folder / f"{sample['id']}.png").write_bytes(buffer.getvalue())
        sha256 = hashlib.sha256(buffer.getvalue()).hexdigest()
        entries.append({**{k: sample[k] for k in ("id", "prompt", "seed")}, "sha256": sha256, "nonFinite": False})
    settings = {k: sample_set["evaluation"][k] for k in ("size", "inferenceSteps", "guidance")}
    manifest = {
        "format": 1, "setSha256": "5" * 64, "base": {"vae": "1"}, "software": {"torch": "2"}, "precision": "fp32",
        "adapterSha256": adapter, "samples": entries, **settings,
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


if __name__ == "__main__":
    main()
