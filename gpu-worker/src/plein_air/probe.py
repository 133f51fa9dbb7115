"""What this machine offers, before anything is loaded on it."""

from __future__ import annotations

import os
import platform
import threading
from importlib.metadata import version
from typing import Any

from plein_air.devices import prepare_torch
from plein_air.protocol.channel import Emitter
from plein_air.ranks import how_many

LIBRARIES = ("torch", "diffusers", "transformers", "peft", "safetensors", "accelerate", "numpy")
"""Libraries of every run whose version decides trained bytes."""


def software_versions() -> dict[str, str]:
    """Versions of Python and of every library that decides trained bytes."""
    return {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}


def run(params: dict[str, Any], emit: Emitter, stop: threading.Event) -> dict[str, Any]:
    """Result of `probe`: device, memory in bytes, threads and versions."""
    import torch

    device = prepare_torch()
    cuda = torch.cuda.get_device_properties(device) if device.type == "cuda" else None
    return {
        "device": device.type,
        "name": cuda.name if cuda else _processor_name(),
        "vramBytes": cuda.total_memory if cuda else None,
        "ramBytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "cpuCapability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "processes": how_many(),
        "versions": software_versions(),
    }


def _processor_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.machine()
