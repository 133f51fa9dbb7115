"""Sets of small pictures in drawn styles, as sample folders and as a prepared dataset: known truth for the evaluation."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

SIDE = 64
SAMPLES = [
    {
        "id": f"{genre}-{number:02d}-s{seed}",
        "prompt": f"{genre} {number}",
        "promptId": f"{genre}-{number:02d}",
        "genre": genre,
    }
    for genre in ("landscape", "portrait")
    for number in range(6)
    for seed in range(4)
]
"""12 prompts with 4 seeds each."""

Painter = Callable[[int], Image.Image]


def strokes(seed: int) -> Image.Image:
    """Hundreds of short, slanted strokes: the style that is wanted."""
    rng = np.random.default_rng([1, seed])
    picture = Image.new("RGB", (SIDE, SIDE), tuple(rng.integers(90, 200, 3).tolist()))
    draw = ImageDraw.Draw(picture)
    tint = rng.integers(60, 220, 3)
    for _ in range(350):
        x, y = rng.uniform(0, SIDE, 2)
        color = tuple(np.clip(tint + rng.normal(0, 45, 3) + (y - SIDE / 2), 0, 255).astype(int).tolist())
        draw.line([(x, y), (x + rng.uniform(3, 7), y + rng.uniform(-3, 3))], fill=color, width=2)
    return picture


def flat(seed: int) -> Image.Image:
    """A few large areas of one color each."""
    rng = np.random.default_rng([2, seed])
    picture = Image.new("RGB", (SIDE, SIDE), tuple(rng.integers(0, 256, 3).tolist()))
    draw = ImageDraw.Draw(picture)
    for _ in range(5):
        corners = rng.uniform(0, SIDE, (3, 2))
        draw.polygon([tuple(corner) for corner in corners.tolist()], fill=tuple(rng.integers(0, 256, 3).tolist()))
    return picture


def rings(seed: int) -> Image.Image:
    """Circles drawn in outline."""
    rng = np.random.default_rng([3, seed])
    picture = Image.new("RGB", (SIDE, SIDE), tuple(rng.integers(150, 256, 3).tolist()))
    draw = ImageDraw.Draw(picture)
    for _ in range(12):
        x, y, r = *rng.uniform(0, SIDE, 2), rng.uniform(3, 18)
        draw.ellipse([x - r, y - r, x + r, y + r], outline=tuple(rng.integers(0, 120, 3).tolist()), width=2)
    return picture


def png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def write_dataset(folder: Path, train: int = 48, held_out: int = 16, test: int = 8) -> Path:
    """Strokes to train on and to hold out, flat pictures and rings as neighbors."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    (folder / "data").mkdir(parents=True)
    splits: dict[str, list[tuple[str, Painter, int]]] = {
        "train": [("Strokes", strokes, i) for i in range(train)],
        "held_out": [("Strokes", strokes, 1000 + i) for i in range(held_out)],
        "test": [("Strokes", strokes, 2000 + i) for i in range(test)],
        "neighbors": [("Flat", flat, 3000 + i) for i in range(12)] + [("Rings", rings, 4000 + i) for i in range(12)],
    }
    for split, pictures in splits.items():
        rows = [_row(style, paint(seed), seed) for style, paint, seed in pictures]
        parquet.write_table(pa.Table.from_pylist(rows), folder / "data" / f"{split}-00000-of-00001.parquet")
    return folder


def _row(style: str, picture: Image.Image, seed: int) -> dict[str, Any]:
    return {
        "id": hashlib.sha256(picture.tobytes()).hexdigest()[:16],
        "caption": "a landscape painting, plnr impressionism",
        "style": style,
        "genre": "landscape",
        "cluster": seed,
        "image": {"bytes": png(picture), "path": None},
        "width": picture.width,
        "height": picture.height,
        "flip_allowed": seed % 4 != 0,
    }


def write_samples(folder: Path, pictures: Sequence[Image.Image], adapter_sha256: str | None, **changes: Any) -> Path:
    """A sample folder as the verb `sample` leaves it."""
    folder.mkdir(parents=True, exist_ok=True)
    entries: list[dict[str, Any]] = []
    for sample, picture in zip(SAMPLES, pictures, strict=True):
        data = png(picture)
        (folder / f"{sample['id']}.png").write_bytes(data)
        sha256 = hashlib.sha256(data).hexdigest()
        entries.append(
            {"id": sample["id"], "prompt": sample["prompt"], "seed": 0, "sha256": sha256, "nonFinite": False}
        )
    manifest = {
        "format": 1, "setSha256": "5" * 64, "base": {"vae": "1"}, "software": {"torch": "2"}, "size": SIDE,
        "adapterSha256": adapter_sha256, "samples": entries, **changes,
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder
