"""Files that exist whole or not at all."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def sha256_file(path: Path | str) -> str:
    """Hexadecimal sha256 of a file, read in blocks of 1 MiB."""
    with open(path, "rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fsync_folder(path: Path | str) -> None:
    """Makes the names in a folder durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_synced(path: Path | str, data: bytes) -> None:
    """Writes a file and fsyncs it; the caller makes its name durable."""
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def atomic_file(path: Path | str) -> Iterator[BinaryIO]:
    """A file to write whose name never shows half of it: temporary file, fsync, rename, fsync of the folder."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".tmp-{uuid.uuid4().hex[:12]}-{target.name}")
    try:
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    fsync_folder(target.parent)


def write_atomically(path: Path | str, data: bytes) -> None:
    """Writes a file so that its name never shows half of it."""
    with atomic_file(path) as file:
        file.write(data)
