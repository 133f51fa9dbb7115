"""The cache of encoded pictures and captions: packs of tensors whose file names are their own sha256.

An entry's key is the content's address (what was encoded, with which weights), so a changed base or caption never meets
an old entry; a pack that does not hash to its name is damaged, and its entries count as absent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from plein_air.atomic_io import sha256_file, write_atomically
from plein_air.errors import TrainerError
from plein_air.tensor_file import pack_tensors, read_header, read_tensors

if TYPE_CHECKING:
    import torch

Entry = dict[str, "torch.Tensor"]
_verified: set[tuple[str, int]] = set()


def content_key(*parts: str) -> str:
    """sha256 over the parts, each with its length so that no two lists read the same."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode()
        digest.update(f"{len(data)}:".encode() + data)
    return digest.hexdigest()


def bytes_of(entries: Mapping[str, Entry]) -> int:
    """Bytes of all tensors of these entries."""
    return sum(tensor.nbytes for entry in entries.values() for tensor in entry.values())


class Store:
    """Entries by key in a folder of packs."""

    def __init__(self, folder: str | Path) -> None:
        """Verifies every pack in the folder and indexes what it holds."""
        self.folder = Path(folder)
        self.damaged: list[str] = []
        self._pack_of: dict[str, Path] = {}
        self._open: dict[Path, dict[str, torch.Tensor]] = {}
        for pack in sorted(self.folder.glob("pack-*.safetensors")):
            self._index(pack)

    def __contains__(self, key: str) -> bool:
        """Whether an entry is there and verified."""
        return key in self._pack_of

    def read(self, key: str) -> Entry:
        """The tensors of an entry, memory-mapped."""
        pack = self._pack_of.get(key)
        if pack is None:
            raise TrainerError(
                "Corrupt",
                f"Expected the cache in {self.folder} to hold entry {key[:12]}, got none (damaged packs: {self.damaged}): "
                "run encode again.",
                {"damaged": self.damaged},
            )
        if pack not in self._open:
            self._open[pack] = read_tensors(pack)
        prefix = f"{key}."
        return {name[len(prefix) :]: tensor for name, tensor in self._open[pack].items() if name.startswith(prefix)}

    def write(self, entries: Mapping[str, Entry]) -> int:
        """Writes entries as one pack and returns its size in bytes."""
        data = pack_tensors({f"{key}.{name}": t for key, entry in entries.items() for name, t in entry.items()})
        pack = self.folder / f"pack-{hashlib.sha256(data).hexdigest()}.safetensors"
        write_atomically(pack, data)
        self._pack_of.update(dict.fromkeys(entries, pack))
        return len(data)

    def _index(self, pack: Path) -> None:
        seen = (str(pack), pack.stat().st_mtime_ns)
        if seen not in _verified:
            if sha256_file(pack) != pack.stem.removeprefix("pack-"):
                self.damaged.append(pack.name)
                return
            _verified.add(seen)
        self._pack_of.update({name.rsplit(".", 1)[0]: pack for name in read_header(pack)[0]})
