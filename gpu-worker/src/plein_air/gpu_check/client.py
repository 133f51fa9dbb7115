"""Drives a trainer process as a worker does: JSON lines in and out."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

Event = dict[str, Any]


class RequestFailed(Exception):
    """A request that the trainer answered with an error, or did not live to answer."""


class Client:
    """A running trainer, whose stderr goes to a file; use as a context manager."""

    def __init__(self, log: Path) -> None:
        """Starts it."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, "ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "plein_air"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
            )
        self._count = 0

    def __enter__(self) -> Client:
        """The client itself."""
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Ends the process at once."""
        self.kill()

    def kill(self) -> None:
        """SIGKILL: nothing of the trainer's runs after it."""
        self._process.kill()
        self._process.wait()

    def call(self, verb: str, params: Any, on_event: Callable[[Event], None] = lambda _: None) -> Any:
        """A request's result; `on_event` gets every event before it, and may kill the process."""
        self._count += 1
        assert self._process.stdin is not None and self._process.stdout is not None
        line = json.dumps({"id": str(self._count), "verb": verb, "params": params})
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()
        for read in self._process.stdout:
            event: Event = json.loads(read)
            if event.get("id") != str(self._count):
                continue
            if event["event"] == "result":
                return event["result"]
            if event["event"] == "error":
                raise RequestFailed(f"{event['kind']}: {event['message']}")
            on_event(event)
        raise RequestFailed(f"the trainer ended during `{verb}`")
