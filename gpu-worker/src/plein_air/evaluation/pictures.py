"""The pictures that an evaluation looks at: generated ones from a sample folder, real ones from a prepared dataset."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from plein_air.atomic_io import sha256_file
from plein_air.errors import TrainerError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from plein_air.evaluation.intervals import Floats

    Picture = NDArray[np.uint8]

_AT_ONCE = 16
"""Paintings that are described together."""
_FLAT = 1.0
"""Standard deviation of pixel values (0 to 255) up to which a picture counts as blank."""


@dataclass(frozen=True)
class Painting:
    """A real painting of a prepared dataset, without its pixels: 9,000 of 512 pixels would take 7 GB."""

    id: str
    caption: str
    style: str
    genre: str
    cluster: int
    #: Parquet file and row that hold its encoded bytes.
    file: Path
    row: int


@dataclass(frozen=True)
class Dataset:
    """The splits of a prepared dataset that an evaluation compares with."""

    train: list[Painting]
    unseen: list[Painting]
    """Of the one split that may be read: `held_out` for choices, `test` for the gate. Neither was trained on."""
    neighbors: list[Painting]
    files: dict[str, str]
    """sha256 of each file read, by its path in the dataset."""


@dataclass(frozen=True)
class SampleFolder:
    """The pictures that `sample` made, in the order of the set."""

    manifest: dict[str, Any]
    manifest_sha256: str
    pixels: Sequence[Picture]
    faults: dict[str, str]
    """By sample id: `nan`, `blank` or `size`."""


def read_dataset(folder: Path, reference: str) -> Dataset:
    """Every painting of the splits that may be read, in the order of their ids; no other file is opened.

    Args:
        folder: A prepared dataset.
        reference: Split of unseen paintings that everything is measured against: `held_out` or `test`.
    """
    if reference not in ("held_out", "test"):
        raise TrainerError(
            "InvalidInput",
            f"Expected held_out or test as the split to measure against, got {reference!r} (reference).",
            {"field": "reference"},
        )
    files: dict[str, str] = {}
    splits = {split: _read_split(folder, split, files) for split in ("train", reference, "neighbors")}
    unseen = splits[reference]
    for name, paintings, least in (("train", splits["train"], 1), (reference, unseen, 3)):
        if len(paintings) < least:
            raise TrainerError(
                "BadData",
                f"Expected at least {least} paintings in split {name} of {folder}, got {len(paintings)}: "
                "prepare more pictures, or raise dataset.heldOutFraction.",
                {"split": name},
            )
    return Dataset(splits["train"], unseen, splits["neighbors"], dict(sorted(files.items())))


def _read_split(folder: Path, split: str, files: dict[str, str]) -> list[Painting]:
    import pyarrow.parquet as parquet

    paintings: list[Painting] = []
    for file in sorted((folder / "data").glob(f"{split}-*.parquet")):
        files[f"data/{file.name}"] = sha256_file(file)
        rows = parquet.read_table(file, columns=["id", "caption", "style", "genre", "cluster"]).to_pylist()
        paintings += [
            Painting(row["id"], row["caption"], row["style"], row["genre"], int(row["cluster"]), file, number)
            for number, row in enumerate(rows)
        ]
    return sorted(paintings, key=lambda painting: painting.id)


def stream(paintings: Sequence[Painting]) -> Iterator[tuple[int, Picture]]:
    """Place in the list, and pixels, of one painting after another, in the order of the files that hold them."""
    import pyarrow.parquet as parquet

    places: dict[Path, dict[int, list[int]]] = {}
    for place, painting in enumerate(paintings):
        places.setdefault(painting.file, {}).setdefault(painting.row, []).append(place)
    for file, wanted in sorted(places.items()):
        first = 0
        source = parquet.ParquetFile(file, memory_map=True)
        for group in range(source.num_row_groups):
            size = source.metadata.row_group(group).num_rows
            rows = [row for row in range(first, first + size) if row in wanted]
            images = source.read_row_group(group, columns=["image"]).column("image") if rows else []
            for row in rows:
                picture = _decode(images[row - first]["bytes"].as_py())
                for place in wanted[row]:
                    yield place, picture
            first += size


def describe_all(paintings: Sequence[Painting], describe: Callable[[Sequence[Picture]], Floats]) -> Floats:
    """What `describe` makes of each painting, in the order of the list; a few are in memory at a time."""
    found = np.empty((len(paintings), *describe([]).shape[1:]))
    places: list[int] = []
    pictures: list[Picture] = []
    for place, picture in stream(paintings):
        places.append(place)
        pictures.append(picture)
        if len(pictures) == _AT_ONCE:
            found[places] = describe(pictures)
            places, pictures = [], []
    if pictures:
        found[places] = describe(pictures)
    return found


def pixels_of(paintings: Sequence[Painting]) -> dict[str, Picture]:
    """Pixels of a few paintings, by their ids, in the order of the list."""
    found = dict(stream(paintings))
    return {paintings[place].id: found[place] for place in sorted(found)}


class Decoded(Sequence["Picture"]):
    """Pictures in files, decoded each time one is looked at: a thousand of 768 pixels would take 1.8 GB."""

    def __init__(self, files: Sequence[Path]) -> None:
        """Reads nothing yet."""
        self._files = files

    def __len__(self) -> int:
        """How many there are."""
        return len(self._files)

    @overload
    def __getitem__(self, index: int) -> Picture: ...
    @overload
    def __getitem__(self, index: slice) -> Decoded: ...
    def __getitem__(self, index: int | slice) -> Picture | Decoded:
        """One picture; of a slice nothing is read yet."""
        if isinstance(index, slice):
            return Decoded(self._files[index])
        return _decode(self._files[index].read_bytes())

    def rows(self, rows: Sequence[int] | NDArray[np.int64]) -> Decoded:
        """Some of them."""
        return Decoded([self._files[row] for row in rows])


def read_samples(folder: Path, wanted: Sequence[dict[str, str]]) -> SampleFolder:
    """The pictures of a sample folder after checking every one against its manifest."""
    path = folder / "manifest.json"
    try:
        manifest: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise TrainerError(
            "Corrupt", f"Expected a sample manifest at {path}, got: {error}. Sample again; finished pictures are kept."
        ) from error
    entries = {entry["id"]: entry for entry in manifest["samples"]}
    files: list[Path] = []
    faults: dict[str, str] = {}
    for sample in wanted:
        entry = entries.get(sample["id"])
        file = folder / f"{sample['id']}.png"
        if entry is None or entry["prompt"] != sample["prompt"]:
            raise TrainerError(
                "InvalidInput",
                f"Expected sample {sample['id']!r} with prompt {sample['prompt']!r} in {path}, got "
                f"{'none' if entry is None else repr(entry['prompt'])}: base and candidate need the same set.",
                {"sample": sample["id"]},
            )
        if not file.is_file() or sha256_file(file) != entry["sha256"]:
            raise TrainerError(
                "Corrupt", f"Expected the picture {entry['sha256']} at {file}, got another or none: sample again."
            )
        picture = _decode(file.read_bytes())
        fault = "nan" if entry["nonFinite"] else fault_of(picture, int(manifest["size"]))
        if fault is not None:
            faults[sample["id"]] = fault
        files.append(file)
    return SampleFolder(manifest, sha256_file(path), Decoded(files), faults)


def fault_of(picture: Picture, size: int) -> str | None:
    """`size` for other than size x size pixels, `blank` for one color, else None."""
    if picture.shape != (size, size, 3):
        return "size"
    return "blank" if picture.astype(np.float64).std(axis=(0, 1)).max() <= _FLAT else None


def _decode(data: bytes) -> Picture:
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))
