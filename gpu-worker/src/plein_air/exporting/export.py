"""The verb `export`: an adapter out of a checkpoint, in the formats asked for."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plein_air.durable import write_atomically
from plein_air.exporting.kohya import to_kohya
from plein_air.protocol.channel import Emitter
from plein_air.protocol.decode import decode
from plein_air.tensor_file import pack_tensors, read_header, read_tensors
from plein_air.training.adapter import FILE, rank_and_alpha
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
    """Writes the adapter; diffusers' file is the checkpoint's own, byte for byte, unless sabotaged."""
    wanted = decode(ExportParams, params)
    read_manifest(wanted.checkpoint)
    source = Path(wanted.checkpoint) / FILE
    data = source.read_bytes()
    if wanted.sabotage == "zero-lora":
        data = _without_effect(source)
    files: list[dict[str, Any]] = []
    for index, kind in enumerate(dict.fromkeys(wanted.formats)):
        content = data if kind == "diffusers" else _kohya(source, wanted)
        path = Path(wanted.out) / (FILE if kind == "diffusers" else KOHYA_FILE)
        write_atomically(path, content)
        sha256 = hashlib.sha256(content).hexdigest()
        files.append({"format": kind, "path": str(path), "sha256": sha256, "bytes": len(content)})
        emit.progress("export", index + 1, len(wanted.formats))
    return {"files": files}


def _without_effect(source: Path) -> bytes:
    """The same adapter with every B matrix zero: a file that loads and changes nothing."""
    return pack_tensors(_zeroed(read_tensors(source)), read_header(source)[1])


def _zeroed(tensors: dict[str, Any]) -> dict[str, Any]:
    return {name: tensor.new_zeros(tensor.shape) if ".lora_B." in name else tensor for name, tensor in tensors.items()}


def _kohya(source: Path, wanted: ExportParams) -> bytes:
    tensors = read_tensors(source)
    if wanted.sabotage == "zero-lora":
        tensors = _zeroed(tensors)
    rank, alpha = rank_and_alpha(source)
    metadata = {
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": "flux-1-dev/lora",
        "modelspec.implementation": "https://github.com/black-forest-labs/flux",
        "modelspec.title": wanted.title,
        "modelspec.trigger_phrase": wanted.trigger,
        "ss_network_module": "networks.lora_flux",
        "ss_network_dim": str(rank),
        "ss_network_alpha": str(alpha),
        "format": "pt",
    }
    return pack_tensors(to_kohya(tensors, alpha), metadata)
