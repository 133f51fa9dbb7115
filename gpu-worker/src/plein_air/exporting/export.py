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
from plein_air.tensor_file import data_sha256, pack_tensors
from plein_air.training.adapter import FILE
from plein_air.training.checkpoint import read_manifest

KOHYA_FILE = "kohya_lora_weights.safetensors"
"""Does not end like diffusers' file, so that a folder with both is still unambiguous to diffusers."""


@dataclass(frozen=True)
class About:
    """What the files' headers say for people; see `ExportAbout` in the protocol."""

    title: str
    trigger: str
    author: str
    license: str
    base: str
    resolution: int
    date: str


@dataclass(frozen=True)
class ExportParams:
    """Parameters of `export`; see `ExportParams` in the protocol."""

    checkpoint: str
    out: str
    formats: tuple[str, ...]
    about: About
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
        content = file_of(adapter, family, kind, wanted.about)
        path = Path(wanted.out) / (FILE if kind == "diffusers" else KOHYA_FILE)
        write_atomically(path, content)
        sha256 = hashlib.sha256(content).hexdigest()
        files.append({"format": kind, "path": str(path), "sha256": sha256, "bytes": len(content)})
        emit.progress("export", index + 1, len(wanted.formats))
    return {"files": files}


def file_of(adapter: Portable, family: Family, kind: str, about: About) -> bytes:
    """The adapter in a format (`diffusers` or `kohya`) under a header as model browsers and trainers read it.

    The date is in kohya's file alone: exported again on another day, the adapter that is judged keeps its bytes.
    """
    if kind == "diffusers":
        model = {n: v for n, v in family.ADAPTER_METADATA.items() if n.startswith("modelspec.")}
        return adapter.pack({**model, **_facts(about, data_sha256(adapter.tensors))})
    tensors = family.to_kohya(adapter.tensors, adapter.rank)
    ranks = {tensor.shape[0] for name, tensor in tensors.items() if name.endswith(".lora_down.weight")}
    # A fused layer has the rank of its parts together: sd-scripts' word for ranks that differ.
    dim = str(ranks.pop()) if len(ranks) == 1 else "Dynamic"
    metadata = {
        **family.ADAPTER_METADATA,
        **_facts(about, data_sha256(tensors)),
        "modelspec.date": about.date,
        "ss_output_name": about.title,
        "ss_sd_model_name": about.base,
        "ss_resolution": f"({about.resolution}, {about.resolution})",
        "ss_network_dim": dim,
        "ss_network_alpha": dim,
        "format": "pt",
    }
    return pack_tensors(tensors, metadata)


def _facts(about: About, sha256: str) -> dict[str, str]:
    return {
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.title": about.title,
        "modelspec.author": about.author,
        "modelspec.license": about.license,
        "modelspec.description": f"LoRA for {about.base}",
        "modelspec.trigger_phrase": about.trigger,
        "modelspec.resolution": f"{about.resolution}x{about.resolution}",
        "modelspec.hash_sha256": f"0x{sha256}",
        "sshs_model_hash": sha256,
    }
