"""Reads a prepared dataset's parquet files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from plein_air.atomic_io import sha256_file
from plein_air.errors import TrainerError

_COLUMNS = ["id", "caption", "width", "height", "flip_allowed"]


@dataclass(frozen=True)
class Picture:
    """One row of a prepared dataset, without its bytes."""

    id: str
    caption: str
    width: int
    height: int
    flip_allowed: bool
    #: Parquet file and row that hold the bytes.
    file: Path
    row: int


def split_files(dataset: str, split: str) -> list[Path]:
    """The parquet files of a split in name order; BadData when there are none."""
    files = sorted((Path(dataset) / "data").glob(f"{split}-*.parquet"))
    if not files:
        raise TrainerError(
            "BadData", f"Expected data/{split}-*.parquet in {dataset}, got none: run the prepare phase first."
        )
    return files


def read_pictures(dataset: str, split: str) -> list[Picture]:
    """Every picture of a split in file order; BadData for a size the model cannot take."""
    import pyarrow.parquet as parquet

    pictures: list[Picture] = []
    for file in split_files(dataset, split):
        try:
            rows = parquet.read_table(file, columns=_COLUMNS).to_pylist()
        except Exception as error:
            raise TrainerError(
                "Corrupt", f"Expected a parquet file with columns {_COLUMNS} at {file}, got: {error}"
            ) from error
        pictures += [Picture(**row, file=file, row=index) for index, row in enumerate(rows)]
    for picture in pictures:
        if picture.width % 16 or picture.height % 16:
            raise TrainerError(
                "BadData",
                f"Expected sides divisible by 16 for picture {picture.id}, got {picture.width}x{picture.height} "
                f"in {picture.file}: prepare the dataset again.",
            )
    return pictures


def read_images(pictures: list[Picture]) -> dict[str, bytes]:
    """Encoded bytes of pictures by id; reads each row group that holds one of them once."""
    import pyarrow.parquet as parquet

    found: dict[str, bytes] = {}
    for file in sorted({picture.file for picture in pictures}):
        wanted = {picture.row: picture.id for picture in pictures if picture.file == file}
        source = parquet.ParquetFile(file)
        first = 0
        for group in range(source.metadata.num_row_groups):
            size = source.metadata.row_group(group).num_rows
            if any(first <= row < first + size for row in wanted):
                column = source.read_row_group(group, columns=["image"]).column("image")
                for row in range(first, first + size):
                    if row in wanted:
                        found[wanted[row]] = column[row - first]["bytes"].as_py()
            first += size
    return found


def dataset_key(dataset: str, split: str) -> str:
    """sha256 over a split's files: which pictures and captions they hold, in which order."""
    digest = hashlib.sha256()
    for file in split_files(dataset, split):
        digest.update(f"{file.name}\0{sha256_file(file)}\n".encode())
    return digest.hexdigest()
