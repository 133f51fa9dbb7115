"""The verb `export`: an adapter out of a checkpoint, in the formats asked for."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plein_air.atomic_io import write_atomically
from plein_air.exporting.portable import Portable, portable
from plein_air.families import named
from plein_air.families.family import Family
from plein_air.protocol.channel import Emitter
from plein_air.protocol.decode import decode
from plein_air.tensor_file import pack_tensors
from plein_air.training.adapter import FILE
from plein_air.training.checkpoint import read_manifest

KOHYA_FILE = "kohya_lora_weights.safetensors"
"""Does not end like diffusers' file, so that a folder with both is still unambiguous to diffusers."""


@dataclass(frozen=True)
class ExportParams:
    """Parameters of `export`; see `ExportParams` in the protocol."""

    checkpoint: str
    out: str
    formats: tuple[str, ...]
    title: str
    trigger: str
    sabotage: str


def run(params: dict[str, Any], emit: Emitter, stop: threading.Event) -> dict[str, Any]:
    """Writes the adapter in each format, the same bytes every time."""
    wanted = decode(ExportParams, params)
    family = named(str(read_manifest(wanted.checkpoint)["fingerprint"].get("base.family")))
    adapter = portable(Path(wanted.checkpoint) / FILE)
    if wanted.sabotage == "zero-lora":
        adapter = adapter.without_effect()
    files: list[dict[str, Any]] = []
    for index, kind in enumerate(dict.fromkeys(wanted.formats)):
        content = file_of(adapter, family, kind, {"title": wanted.title, "trigger_phrase": wanted.trigger})
        path = Path(wanted.out) / (FILE if kind == "diffusers" else KOHYA_FILE)
        write_atomically(path, content)
        sha256 = hashlib.sha256(content).hexdigest()
        files.append({"format": kind, "path": str(path), "sha256": sha256, "bytes": len(content)})
        emit.progress("export", index + 1, len(wanted.formats))
    return {"files": files}


def file_of(adapter: Portable, family: Family, kind: str, about: dict[str, str]) -> bytes:
    """The adapter in a format (`diffusers` or `kohya`), with facts for people under modelspec's names."""
    if kind == "diffusers":
        return adapter.pack()
    metadata = {
        "modelspec.sai_model_spec": "1.0.0",
        **family.ADAPTER_METADATA,
        **{f"modelspec.{name}": value for name, value in about.items()},
        "ss_network_dim": str(adapter.rank),
        "ss_network_alpha": str(adapter.rank),
        "format": "pt",
    }
    return pack_tensors(family.to_kohya(adapter.tensors, adapter.rank), metadata)
