"""The kinds of failure that the protocol knows."""

from __future__ import annotations

from typing import Any, Literal

ErrorKind = Literal["InvalidInput", "BadData", "Diverged", "OutOfMemory", "Corrupt", "Internal"]


class TrainerError(Exception):
    """A failure with a kind of the protocol; the message says expected, got, where and what to do."""

    def __init__(self, kind: ErrorKind, message: str, details: dict[str, Any] | None = None) -> None:
        """Keeps the kind and the machine-readable details beside the message."""
        super().__init__(message)
        self.kind: ErrorKind = kind
        self.details: dict[str, Any] = details or {}


class Stopped(Exception):
    """The request was asked to stop before it had a result to give."""


def classify(error: BaseException) -> TrainerError:
    """Turns any exception into one with a kind, naming its class where it is not ours."""
    if isinstance(error, TrainerError):
        return error
    name = type(error).__name__
    text = str(error) or repr(error)
    if isinstance(error, Stopped):
        return TrainerError("Internal", "Stopped on request before there was a result.", {"stopped": True})
    if name in ("OutOfMemoryError", "AcceleratorError") and "out of memory" in text.lower():
        return TrainerError("OutOfMemory", f"The accelerator's memory is full: {text}", {"error": name})
    if isinstance(error, MemoryError):
        return TrainerError("OutOfMemory", f"The machine's memory is full: {text}", {"error": name})
    return TrainerError("Internal", f"{name}: {text}", {"error": name})
