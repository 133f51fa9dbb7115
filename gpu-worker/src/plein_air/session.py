"""What a trainer process keeps between requests: the components of one model, and the hashes of its files."""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from plein_air.atomic_io import sha256_file

_models: dict[str, dict[Any, Any]] = {}
_hashes: dict[tuple[str, int, int], str] = {}


def loaded_components(model: str) -> dict[Any, Any]:
    """What is loaded of a model, to be filled by its loader; opening another model releases all of it."""
    if model not in _models:
        # One large model a session: two of them do not fit on a GPU.
        forget_all()
        _models[model] = {}
    return _models[model]


def forget_all() -> None:
    """Releases every model that is loaded, and the accelerator's memory with it."""
    if _models:
        _models.clear()
        free_memory()


def forget(components: dict[Any, Any], names: Sequence[str]) -> None:
    """Releases components of a model; they load again when next asked for."""
    found = [name for name in names if components.pop(name, None) is not None]
    if found:
        free_memory()


def free_memory() -> None:
    """Gives back the memory of what nothing refers to any more."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def folders_sha256(root: Path, folders: Sequence[str]) -> str:
    """sha256 over the names and contents of the files in these folders of `root`: their content address."""
    digest = hashlib.sha256()
    for folder in folders:
        for file in sorted((root / folder).rglob("*")):
            if file.is_file() and not file.name.startswith("."):
                digest.update(f"{file.relative_to(root)}\0{_hash_once(file)}\n".encode())
    return digest.hexdigest()


def _hash_once(file: Path) -> str:
    """sha256 of a file, remembered for the session while its size and time stay the same."""
    stat = file.stat()
    key = (str(file), stat.st_size, stat.st_mtime_ns)
    if key not in _hashes:
        _hashes[key] = sha256_file(file.resolve())
    return _hashes[key]
