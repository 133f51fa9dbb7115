"""A dataset with few training pictures: `python bench/gate_few.py DATASET OUT COUNT`; the other splits stay as they are."""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow.parquet as parquet


def few_pictures(dataset: Path, out: Path, count: int) -> Path:
    """Writes `out/data` with the first `count` training pictures; returns `out`."""
    (out / "data").mkdir(parents=True, exist_ok=True)
    for file in sorted((dataset / "data").glob("*.parquet")):
        table = parquet.read_table(file)
        kept = table.slice(0, count) if file.name.startswith("train-") else table
        parquet.write_table(kept, out / "data" / file.name)
    return out


if __name__ == "__main__":
    few_pictures(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
