"""A safetensors file is somebody else's: whatever its header claims ends as `Corrupt`, and costs no memory."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING

import pytest

from plein_air.errors import TrainerError
from plein_air.tensor_file import read_header, read_shapes

if TYPE_CHECKING:
    from pathlib import Path


def _framed(header: bytes, length: int | None = None) -> bytes:
    return struct.pack("<Q", len(header) if length is None else length) + header


def _told(**entry: object) -> bytes:
    return _framed(json.dumps({"a": entry}).encode())


HOSTILE = {
    "empty": b"",
    "cut": b"\x01\x00",
    "length 2^63": _framed(b"{}", 2**63),
    "length 1 TB": _framed(b"{}", 10**12),
    "longer than the file": _framed(b"{}", 3),
    "deep": _framed(b"[" * 200_000),
    "list": _framed(b"[]"),
    "null": _framed(b"null"),
    "not JSON": _framed(b"{"),
    "not UTF-8": _framed(b"\xff\xff"),
    "entry is a number": _framed(b'{"a": 1}'),
    "no dtype": _told(shape=[1], data_offsets=[0, 4]),
    "no shape": _told(dtype="F32", data_offsets=[0, 4]),
    "no offsets": _told(dtype="F32", shape=[1]),
    "unknown dtype": _told(dtype="F3", shape=[1], data_offsets=[0, 4]),
    "dtype is a list": _told(dtype=[], shape=[1], data_offsets=[0, 4]),
    "negative shape": _told(dtype="F32", shape=[-1], data_offsets=[0, 4]),
    "shape of texts": _told(dtype="F32", shape=["1"], data_offsets=[0, 4]),
    "three offsets": _told(dtype="F32", shape=[1], data_offsets=[0, 4, 8]),
    "metadata is a list": _framed(b'{"__metadata__": []}'),
    "metadata of numbers": _framed(b'{"__metadata__": {"a": 1}}'),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_malformed_header_is_corrupt(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "hostile.safetensors"
    path.write_bytes(content)
    for read in (read_header, read_shapes):
        with pytest.raises(TrainerError) as raised:
            read(path)
        assert raised.value.kind == "Corrupt"


def test_a_sound_header_is_read(tmp_path: Path) -> None:
    path = tmp_path / "sound.safetensors"
    header = {"__metadata__": {"format": "pt"}, "a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}
    path.write_bytes(_framed(json.dumps(header).encode()) + b"\0" * 4)
    assert read_header(path) == ({"a": header["a"]}, {"format": "pt"})
