"""Peak memory of the verb `evaluate` over many paintings: what a host with little RAM needs beside the models.

    python bench/evaluation_memory.py [PAINTINGS] [SIDE]

PAINTINGS (9000) of a prepared dataset, 40 different ones: eight in ten are training pictures, one in ten unseen, one in
ten of another style. 96 samples a model; the encoder is the embedded one, whose features of paintings are made up here:
memory is what is measured, not time. Prints JSON: peak resident memory of this process before and after, and seconds.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).parents[1] / "gpu-worker"
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

import numpy as np
import painted_sets
import pyarrow as pa
import pyarrow.parquet as parquet

from plein_air.evaluation import evaluate
from plein_air.evaluation.features import Encoder, open_encoder

ADAPTER = b"an adapter"


class Quiet:
    """Events that go nowhere."""

    def progress(self, *_: Any) -> None: ...


def peak_mib() -> int:
    """Most resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def write_dataset(folder: Path, count: int, side: int) -> Path:
    """Paintings in row groups of 40, as a preparation writes them."""
    (folder / "data").mkdir(parents=True)
    sizes = {"train": count * 8 // 10, "test": count // 10, "neighbors": count - count * 8 // 10 - count // 10}
    first = 0
    for split, size in sizes.items():
        paint = painted_sets.flat if split == "neighbors" else painted_sets.strokes
        drawn = [painted_sets.png(paint(seed).resize((side, side))) for seed in range(first, first + 40)]
        first += 40
        path, writer = folder / "data" / f"{split}-00000-of-00001.parquet", None
        for start in range(0, size, 40):
            rows = [_row(drawn[i % 40], start + i, split) for i in range(min(40, size - start))]
            table = pa.Table.from_pylist(rows)
            writer = writer or parquet.ParquetWriter(path, table.schema, compression="none")
            writer.write_table(table)
        if writer:
            writer.close()
    return folder


def _row(data: bytes, number: int, split: str) -> dict[str, Any]:
    return {
        "id": hashlib.sha256(f"{split} {number}".encode()).hexdigest()[:16], "caption": "a painting", "genre": "landscape",
        "style": "Flat" if split == "neighbors" else "Strokes", "cluster": number, "image": {"bytes": data, "path": None},
    }  # fmt: skip


def made_up(self: Encoder, pictures: Any, _step: Any = None) -> Any:
    """Numbers of the right shape for each picture, after looking at it."""
    seeds = [int(picture[::7, ::7].sum()) for picture in pictures]
    return np.array([np.random.default_rng(seed).normal(0, 1, self.dimensions) for seed in seeds]).reshape(
        len(seeds), self.dimensions
    )


def main() -> None:
    """Writes the dataset and the samples into a temporary folder, and measures them."""
    count, side = (int(value) for value in (*sys.argv[1:], *("9000", "512")[len(sys.argv) - 1 :]))
    encoder = open_encoder("efficientnet-lite0", side)
    encoder.features([np.zeros((side, side, 3), np.uint8)] * 16)
    Encoder.features = made_up  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "adapter").write_bytes(ADAPTER)
        sha256 = hashlib.sha256(ADAPTER).hexdigest()
        dataset = write_dataset(folder / "dataset", count, side)
        makers = {"base": (painted_sets.flat, None), "candidate": (painted_sets.strokes, sha256)}
        samples = {
            one: painted_sets.write_samples(
                folder / one, [paint(5000 + i).resize((side, side)) for i in range(len(painted_sets.SAMPLES))], by, size=side
            )
            for one, (paint, by) in makers.items()
        }  # fmt: skip
        before, began = peak_mib(), time.monotonic()
        params = {
            "base": "unused", "adapter": str(folder / "adapter"), "dataset": str(dataset), "reference": "test",
            "baseSamples": str(samples["base"]), "candidateSamples": str(samples["candidate"]), "seed": 0,
            "encoder": "efficientnet-lite0", "samples": painted_sets.SAMPLES, "confidence": 0.95, "out": str(folder / "out"),
        }  # fmt: skip
        evaluate.run(params, Quiet(), threading.Event())
    figures = {"paintings": count, "side": side, "beforeMiB": before, "peakMiB": peak_mib()}
    print(json.dumps(figures | {"seconds": round(time.monotonic() - began)}))


if __name__ == "__main__":
    main()
