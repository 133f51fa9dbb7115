"""Safetensors files whose bytes depend on their contents alone.

The library writes its header's metadata in the order of a hash map that differs from process to process, so two equal
checkpoints would have two hashes. Here keys are sorted and the data is laid out in the order of the names.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plein_air.atomic_io import atomic_file
from plein_air.errors import TrainerError

if TYPE_CHECKING:
    import torch

_ALIGN = 64
"""The data section starts on a cache line, which keeps memory-mapped tensors aligned."""


Shape = tuple["torch.dtype", tuple[int, ...]]
"""What a header says of a tensor."""


def pack_tensors(tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str] | None = None) -> bytes:
    """Bytes of a safetensors file; every tensor is copied to the CPU as it is."""
    shapes = {name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in tensors.items()}
    return b"".join([_header(shapes, metadata), *(_bytes_of(tensors[name]) for name in sorted(tensors))])


def write_tensors(
    path: Path | str,
    shapes: Mapping[str, Shape],
    tensor_of: Callable[[str], torch.Tensor],
    metadata: Mapping[str, str] | None = None,
) -> str:
    """Writes the file that `pack_tensors` would give, holding one tensor at a time; returns its sha256."""
    digest = hashlib.sha256()
    with atomic_file(path) as file:

        def write(data: bytes) -> None:
            digest.update(data)
            file.write(data)

        write(_header(shapes, metadata))
        for name in sorted(shapes):
            tensor = tensor_of(name)
            if (tensor.dtype, tuple(tensor.shape)) != shapes[name]:
                raise TrainerError(
                    "Internal", f"Expected {name} as {shapes[name]}, got {tensor.dtype} {tuple(tensor.shape)}"
                )
            write(_bytes_of(tensor))
    return digest.hexdigest()


def data_sha256(tensors: Mapping[str, torch.Tensor]) -> str:
    """Of the file's data without its header, which may name this hash."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(_bytes_of(tensors[name]))
    return digest.hexdigest()


def _type_names() -> dict[torch.dtype, str]:
    import torch

    return {
        torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
        torch.int64: "I64", torch.int32: "I32", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
    }  # fmt: skip


def _header(shapes: Mapping[str, Shape], metadata: Mapping[str, str] | None) -> bytes:
    names = _type_names()
    header: dict[str, Any] = {}
    if metadata:
        header["__metadata__"] = dict(sorted(metadata.items()))
    offset = 0
    for name in sorted(shapes):
        dtype, shape = shapes[name]
        end = offset + math.prod(shape) * dtype.itemsize
        header[name] = {"dtype": names[dtype], "shape": list(shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=True).encode()
    text += b" " * (-(len(text) + 8) % _ALIGN)
    return struct.pack("<Q", len(text)) + text


def _bytes_of(tensor: torch.Tensor) -> bytes:
    import torch

    whole = tensor.detach().to("cpu").contiguous()
    return whole.view(-1).view(torch.uint8).numpy().tobytes() if whole.numel() else b""


_MAX_HEADER = 100_000_000
"""Bytes; the limit of the format's own reader."""


def read_header(path: Path | str) -> tuple[dict[str, Any], dict[str, str]]:
    """Descriptions of the tensors by name, and the metadata, without reading any data."""
    try:
        with open(path, "rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            room = os.fstat(file.fileno()).st_size - 8
            if length > min(room, _MAX_HEADER):
                raise ValueError(f"a header of {length} bytes in a file with room for {room}")
            header: Any = json.loads(file.read(length))
        return _checked(header)
    except (OSError, ValueError, RecursionError, struct.error) as error:
        raise TrainerError(
            "Corrupt", f"Expected a safetensors file at {path}, got one without a readable header: {error}"
        ) from error


def _checked(header: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """Splits a header whose entries all have a type, a shape and offsets; else `ValueError`."""
    if not isinstance(header, dict):
        raise ValueError(f"a {type(header).__name__} as the header")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise ValueError("metadata that are no texts")
    known = _type_names().values()
    for name, told in header.items():
        shape = told.get("shape") if isinstance(told, dict) else None
        offsets = told.get("data_offsets") if isinstance(told, dict) else None
        sizes = [*shape, *offsets] if isinstance(shape, list) and isinstance(offsets, list) else [None]
        if not all(type(size) is int and size >= 0 for size in sizes) or len(offsets or []) != 2:
            raise ValueError(f"tensor {name!r} without a shape and two offsets")
        if told.get("dtype") not in known:
            raise ValueError(f"tensor {name!r} of type {told.get('dtype')!r}")
    return header, metadata


def read_shapes(path: Path | str) -> dict[str, Shape]:
    """Type and shape of every tensor of a file, without reading any data."""
    types = {name: dtype for dtype, name in _type_names().items()}
    return {name: (types[told["dtype"]], tuple(told["shape"])) for name, told in read_header(path)[0].items()}


def read_tensors(path: Path | str) -> dict[str, torch.Tensor]:
    """Every tensor of a file, memory-mapped on the CPU."""
    from safetensors.torch import load_file

    try:
        return load_file(str(path))
    except Exception as error:
        raise TrainerError("Corrupt", f"Expected a safetensors file at {path}, got: {error}") from error
