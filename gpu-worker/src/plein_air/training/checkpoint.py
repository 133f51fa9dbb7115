"""Checkpoint folders: complete and verified, or not there."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plein_air.atomic_io import fsync_folder, sha256_file, write_synced
from plein_air.errors import TrainerError

MANIFEST = "manifest.json"
_TEMPORARY = ".tmp-"


@dataclass(frozen=True)
class Written:
    """A checkpoint folder on disk; `bytes` counts every file."""

    path: Path
    manifest_sha256: str
    bytes: int


def folder_name(step: int, micro_step: int, accumulation: int) -> str:
    """`step-00000100`; one taken in the middle of an accumulation never shares the name of the step it builds on."""
    name = f"step-{step:08d}"
    return name if micro_step == step * accumulation else f"{name}-micro-{micro_step:08d}"


def write_checkpoint(out: str, name: str, files: dict[str, bytes], manifest: dict[str, Any]) -> Written:
    """Writes files, then their manifest, fsyncs and renames; on a full disk older local copies go first, oldest first.

    The newest of them stays where not even its room would be enough.
    """
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        try:
            return _write(folder, name, files, manifest)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            older = sorted(path for path in folder.glob("step-*") if path.name != name)
            needed, free = sum(map(len, files.values())), shutil.disk_usage(folder).free
            if not older or (len(older) == 1 and free + _bytes_of(older[0]) < needed):
                kept = (
                    f"besides {older[0].name}, which stays" if older else "although every older local copy was removed"
                )
                raise TrainerError(
                    "Internal",
                    f"Expected room for a checkpoint of {needed} bytes in {folder}, got a full disk with {free} bytes free "
                    f"{kept}: free some space, or give the worker another folder.",
                ) from error
            shutil.rmtree(older[0], ignore_errors=True)
            sys.stderr.write(f"the disk is full: removed the local copy {older[0].name}\n")


def _bytes_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


def _write(folder: Path, name: str, files: dict[str, bytes], manifest: dict[str, Any]) -> Written:
    temporary = folder / f"{_TEMPORARY}{uuid.uuid4().hex[:12]}"
    temporary.mkdir()
    listed = [
        {"path": path, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for path, data in sorted(files.items())
    ]
    text = json.dumps({"format": 1, **manifest, "files": listed}, indent=1, sort_keys=True).encode() + b"\n"
    try:
        for path, data in sorted(files.items()):
            write_synced(temporary / path, data)
        write_synced(temporary / MANIFEST, text)
        fsync_folder(temporary)
        target = folder / name
        if target.exists():
            _replace(temporary, target, text)
        else:
            os.replace(temporary, target)
        fsync_folder(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return Written(target, hashlib.sha256(text).hexdigest(), len(text) + sum(map(len, files.values())))


def _replace(temporary: Path, target: Path, manifest: bytes) -> None:
    """A repeated step gives the same bytes: the folder that is there stays, unless it is damaged or of another run."""
    try:
        read_manifest(target)
        if (target / MANIFEST).read_bytes() == manifest:
            return
    except TrainerError:
        pass
    old = target.with_name(f"{_TEMPORARY}old-{uuid.uuid4().hex[:12]}")
    os.replace(target, old)
    os.replace(temporary, target)
    shutil.rmtree(old, ignore_errors=True)


def clear_unfinished(out: str) -> None:
    """Removes what a killed attempt left half written."""
    for leftover in Path(out).glob(f"{_TEMPORARY}*"):
        shutil.rmtree(leftover, ignore_errors=True)


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """The manifest of a checkpoint whose every file hashes as it promises; else Corrupt, naming the file."""
    path = Path(folder) / MANIFEST
    try:
        manifest = json.loads(path.read_bytes())
        files: list[dict[str, Any]] = manifest["files"]
        if manifest["format"] != 1:
            raise TrainerError(
                "InvalidInput",
                f"Expected checkpoint format 1, got {manifest['format']!r} in {path}: use a newer trainer.",
            )
        for file in files:
            found = sha256_file(Path(folder) / file["path"])
            if found != file["sha256"]:
                raise TrainerError(
                    "Corrupt",
                    f"Expected sha256 {file['sha256']} for {file['path']}, got {found} in {folder}: "
                    "resume from the checkpoint before it.",
                    {"checkpoint": str(folder), "file": file["path"], "expected": file["sha256"], "got": found},
                )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainerError(
            "Corrupt",
            f"Expected a whole checkpoint in {folder}, got: {error}. Resume from the checkpoint before it.",
            {"checkpoint": str(folder)},
        ) from error
    return manifest
