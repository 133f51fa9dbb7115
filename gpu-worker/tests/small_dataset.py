"""A prepared dataset of two picture sizes, small, with the columns that the prepare phase writes."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

SIZES = [(64, 64), (80, 48)]


def write(folder: Path, train: int = 10, held_out: int = 3) -> Path:
    """Writes `train` and `held_out` pictures of noise, each with a caption of its own."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    (folder / "data").mkdir(parents=True)
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    for split, count, first in (("train", train, 0), ("held_out", held_out, 1000)):
        rows = [_row(first + index) for index in range(count)]
        table = pa.Table.from_pylist(rows, schema=_schema(pa, image))
        parquet.write_table(table, folder / "data" / f"{split}-00000-of-00001.parquet", row_group_size=4)
    return folder


def _schema(pa: Any, image: Any) -> Any:
    text = ("id", "caption", "artist", "genre", "style", "source")
    return pa.schema(
        [
            ("image", image),
            *((name, pa.string()) for name in text),
            ("width", pa.int32()),
            ("height", pa.int32()),
            ("flip_allowed", pa.bool_()),
            ("cluster", pa.int32()),
        ]
    )


def _row(index: int) -> dict[str, Any]:
    import numpy as np
    from PIL import Image

    width, height = SIZES[index % 3 == 0]
    pixels = np.random.default_rng(index).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels).resize((width, height))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return {
        "image": {"bytes": buffer.getvalue(), "path": None},
        "id": hashlib.sha256(picture.tobytes()).hexdigest()[:16],
        "caption": f"picture {index} of a river, plnr impressionism",
        "artist": "Unknown",
        "genre": "landscape",
        "style": "Impressionism",
        "source": f"generated:{index}",
        "width": width,
        "height": height,
        "flip_allowed": index % 4 != 0,
        "cluster": index,
    }
