"""Trains and samples the models that the gate is calibrated on, and keeps their pictures' features.

    node scripts/ts.mjs bench/sample-set.ts tiny 8 > set.json
    python bench/gate_models.py BASE DATASET set.json OUT [--twins 8] [--seeds 16]

BASE is the tiny FLUX (`gpu-worker/tiny-base`), DATASET a prepared dataset (`data/*.parquet`). OUT gets a folder a model:
the adapter, its pictures, and `features.npz`. What is there already is kept, so a killed run goes on.

Models: the base; twins, trained alike but for their seed; the first twin's earlier checkpoints; mutants: no effect,
three times the scale, a copyist overtrained on six pictures, weights that are not numbers.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1] / "gpu-worker" / "src"))

import numpy as np
from PIL import Image

from gate_few import few_pictures
from plein_air.evaluation.copying import both_ways
from plein_air.evaluation.thumbnails import thumbnails

FILE = "pytorch_lora_weights.safetensors"


class Quiet:
    """Events that go nowhere."""

    def progress(self, *_: Any) -> None: ...
    def metric(self, *_: Any) -> None: ...
    def checkpoint(self, **_: Any) -> None: ...


def main() -> None:
    """Makes every model that is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("base", "dataset", "set", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--twins", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=16)
    asked = parser.parse_args()
    Factory(asked.base, asked.dataset, json.loads(asked.set.read_text()), asked.out).make(asked.twins, asked.seeds)


class Factory:
    """One base, one dataset, one set."""

    def __init__(self, base: Path, dataset: Path, asked: dict[str, Any], out: Path) -> None:
        self.base, self.dataset, self.out = base, dataset, out
        self.settings, self.training = asked["evaluation"], asked["training"]
        self.samples = asked["samples"]
        out.mkdir(parents=True, exist_ok=True)

    def make(self, twins: int, seeds: int) -> None:
        """Trains, samples and encodes, cheapest to know first."""
        usual = self.settings["seedsPerPrompt"]
        self.paintings()
        self.paint("base", None, seeds)
        first = self.train("twin-1", {"seed": 1})
        self.paint("twin-1", first / "step-00000300" / FILE, seeds)
        for step in (50, 100, 150, 200):
            self.paint(f"step-{step}", first / f"step-{step:08d}" / FILE, usual)
        self.paint("zero", self.changed(first, "zero", lambda b: b * 0), usual)
        self.paint("nan", self.changed(first, "nan", lambda b: b * float("nan")), usual)
        self.paint("scale-3", first / "step-00000300" / FILE, usual, scale=3)
        for number in range(2, twins + 1):
            folder = self.train(f"twin-{number}", {"seed": number})
            self.paint(f"twin-{number}", folder / "step-00000300" / FILE, usual)
        few = few_pictures(self.dataset, self.out / "few", 6)
        wild = {"seed": 1, "steps": 1500, "scheduleSteps": 1500, "learningRate": 3e-3, "rank": 32, "alpha": 32,
                "flip": 0.0, "captionDropout": 0.0, "checkpointEvery": 500, "heldOutEvery": 500}  # fmt: skip
        copyist = self.train("copyist", wild, few)
        self.paint("copyist", copyist / "step-00001500" / FILE, usual)

    def train(self, name: str, changes: dict[str, Any], dataset: Path | None = None) -> Path:
        """Checkpoints of a model, by step."""
        from plein_air.encoding import encode
        from plein_air.training import train

        dataset = dataset or self.dataset
        out = self.out / name / "checkpoints"
        training = {**self.training, "sampleEvery": 0, **changes}
        if (out / f"step-{training['steps']:08d}" / "manifest.json").is_file():
            return out
        print("training", name, flush=True)
        cache = self.out / "cache"
        common = {"base": str(self.base), "dataset": str(dataset)}
        encode.run(
            {**common, "out": str(cache), "training": training, "stopAtStep": None},
            Quiet(), threading.Event(),
        )  # fmt: skip
        train.run(
            {**common, "baseCommit": "b" * 40, "datasetCommit": "d" * 40, "cache": str(cache), "out": str(out),
             "resumeFrom": None, "acceptDifferences": [], "stopAtStep": None, "training": training,
             "sampling": {k: self.settings[k] for k in ("size", "inferenceSteps", "guidance")}},
            Quiet(), threading.Event(),
        )  # fmt: skip
        return out

    def changed(self, checkpoints: Path, name: str, change: Any) -> Path:
        """The last checkpoint's adapter with every B matrix changed."""
        from plein_air.tensor_file import pack_tensors, read_header, read_tensors

        source = checkpoints / "step-00000300" / FILE
        tensors = {k: change(v) if ".lora_B." in k else v for k, v in read_tensors(source).items()}
        path = self.out / name / FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pack_tensors(tensors, read_header(source)[1]))
        return path

    def paint(self, name: str, adapter: Path | None, seeds: int, scale: float = 1) -> None:
        """Pictures and features of the first `seeds` seeds of every prompt."""
        from plein_air.evaluation import sample
        from plein_air.evaluation.pictures import read_samples

        out = self.out / name
        if (out / "features.npz").is_file():
            return
        print("sampling", name, flush=True)
        wanted = self.samples[: 64 * seeds]
        settings = {k: self.settings[k] for k in ("size", "inferenceSteps", "guidance")}
        sample.run(
            {"base": str(self.base), "adapter": None if adapter is None else str(adapter), "adapterScale": scale,
             "samples": [{k: s[k] for k in ("id", "prompt", "seed")} for s in wanted], **settings,
             "precision": "fp32", "quantization": "none", "offloadBlocks": 0, "out": str(out / "pictures")},
            Quiet(), threading.Event(),
        )  # fmt: skip
        made = read_samples(out / "pictures", wanted)
        self.encode(out, made.pixels, faults=np.array(list(made.faults)))

    def paintings(self) -> None:
        """Features of the dataset's splits."""
        import pyarrow.parquet as parquet

        for split in ("train", "held_out", "test", "neighbors"):
            out = self.out / f"split-{split}"
            if (out / "features.npz").is_file():
                continue
            out.mkdir(parents=True, exist_ok=True)
            rows = [
                r
                for f in sorted((self.dataset / "data").glob(f"{split}-*.parquet"))
                for r in parquet.read_table(f).to_pylist()
            ]
            rows.sort(key=lambda r: r["id"])
            pixels = [np.asarray(Image.open(io.BytesIO(r["image"]["bytes"])).convert("RGB")) for r in rows]
            self.encode(
                out,
                pixels,
                copies=both_ways(pixels, thumbnails),
                styles=np.array([r["style"] for r in rows]),
                clusters=np.array([r["cluster"] for r in rows]),
            )

    def encode(self, out: Path, pixels: list[Any], **more: Any) -> None:
        """Stores features beside what they are of."""
        from plein_air.evaluation.features import open_encoder

        encoder = open_encoder("efficientnet-lite0", self.settings["size"])
        changes = np.stack([p.astype(np.uint8) for p in pixels]) if len({p.shape for p in pixels}) == 1 else np.zeros(0)
        np.savez_compressed(out / "features.npz", features=encoder.features(pixels), pixels=changes, **more)


if __name__ == "__main__":
    main()
