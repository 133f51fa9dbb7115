"""Events to stdout, written by a thread so that training never waits for a slow reader."""

from __future__ import annotations

import json
import math
import os
import sys
import threading
import time
from queue import SimpleQueue
from typing import Any

PROGRESS_INTERVAL = 0.2
"""Seconds between two progress events of one stage; the first and the last are always sent."""


class Channel:
    """The one writer of the protocol's stdout."""

    def __init__(self, descriptor: int) -> None:
        """Starts the writing thread on a file descriptor that nobody else writes to."""
        self._descriptor = descriptor
        self._lines: SimpleQueue[bytes | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="events", daemon=True)
        self._thread.start()

    def send(self, event: dict[str, Any]) -> None:
        """Queues one event; numbers that JSON cannot carry become null."""
        self._lines.put(json.dumps(_finite(event), separators=(",", ":")).encode() + b"\n")

    def close(self, timeout: float = 5.0) -> None:
        """Waits until everything queued is written, at most `timeout` seconds."""
        self._lines.put(None)
        self._thread.join(timeout)

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                while line:
                    line = line[os.write(self._descriptor, line) :]
            except OSError:
                # Nobody reads any more: the worker is gone, and so is the reason to go on.
                os._exit(0)


def take_stdout() -> int:
    """Reserves stdout for the protocol: whatever prints to it from now on, C libraries too, goes to stderr."""
    sys.stdout.flush()
    private = os.dup(1)
    os.dup2(2, 1)
    return private


class Emitter:
    """What a verb may say about its own request."""

    def __init__(self, channel: Channel, request_id: str) -> None:
        """Binds the events to the request's id."""
        self._channel = channel
        self._id = request_id
        self._stage = ""
        self._began = (0.0, 0)
        self._sent = -math.inf

    def progress(self, stage: str, done: int, total: int) -> None:
        """`done` of `total` units of a stage; throttled, with the time left from the stage's own pace."""
        now = time.monotonic()
        first = stage != self._stage
        if first:
            self._stage, self._began = stage, (now, done)
        if not first and done < total and now - self._sent < PROGRESS_INTERVAL:
            return
        self._sent = now
        since, start = self._began
        left = None if done <= start else (now - since) / (done - start) * (total - done)
        self._send("progress", stage=stage, done=done, total=total, etaSeconds=None if left is None else round(left, 2))

    def metric(self, step: int, values: dict[str, float]) -> None:
        """Figures of one step; those that are not finite are left out."""
        self._send("metric", step=step, values={k: float(v) for k, v in values.items() if math.isfinite(v)})

    def checkpoint(self, **fields: Any) -> None:
        """A checkpoint folder is complete; fields as in the protocol."""
        self._send("checkpoint", **fields)

    def sample(self, **fields: Any) -> None:
        """Validation images are written; fields as in the protocol."""
        self._send("sample", **fields)

    def result(self, result: object) -> None:
        """The request is done."""
        self._send("result", result=result)

    def error(self, kind: str, message: str, details: dict[str, Any]) -> None:
        """The request failed."""
        self._send("error", kind=kind, message=message, details=details)

    def _send(self, event: str, **fields: Any) -> None:
        self._channel.send({"event": event, "id": self._id, **fields})


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return value
