"""Safetensors files whose bytes depend on their contents alone.

The library writes its header's metadata in the order of a hash map that differs from process to process, so two equal
checkpoints would have two hashes. Here keys are sorted and the data is laid out in the order of the names.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plein_air.errors import TrainerError

if TYPE_CHECKING:
    import torch

_ALIGN = 64
"""The data section starts on a cache line, which keeps memory-mapped tensors aligned."""


def pack_tensors(tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str] | None = None) -> bytes:
    """Bytes of a safetensors file; every tensor is copied to the CPU as it is."""
    import torch

    names = {
        torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
        torch.int64: "I64", torch.int32: "I32", torch.uint8: "U8", torch.bool: "BOOL",
    }  # fmt: skip
    header: dict[str, Any] = {}
    if metadata:
        header["__metadata__"] = dict(sorted(metadata.items()))
    chunks: list[bytes] = []
    offset = 0
    for name in sorted(tensors):
        tensor = tensors[name].detach().to("cpu").contiguous()
        data = tensor.view(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b""
        header[name] = {
            "dtype": names[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + len(data)],
        }
        chunks.append(data)
        offset += len(data)
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=True).encode()
    text += b" " * (-(len(text) + 8) % _ALIGN)
    return b"".join([struct.pack("<Q", len(text)), text, *chunks])


def read_header(path: Path | str) -> tuple[dict[str, Any], dict[str, str]]:
    """Descriptions of the tensors by name, and the metadata, without reading any data."""
    try:
        with open(path, "rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header: dict[str, Any] = json.loads(file.read(length))
    except (OSError, ValueError, struct.error) as error:
        raise TrainerError(
            "Corrupt", f"Expected a safetensors file at {path}, got one without a readable header: {error}"
        ) from error
    return header, header.pop("__metadata__", {})


def read_tensors(path: Path | str) -> dict[str, torch.Tensor]:
    """Every tensor of a file, memory-mapped on the CPU."""
    from safetensors.torch import load_file

    try:
        return load_file(str(path))
    except Exception as error:
        raise TrainerError("Corrupt", f"Expected a safetensors file at {path}, got: {error}") from error
