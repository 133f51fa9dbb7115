"""Drives the trainer as the worker does: a process, JSON lines in and out."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

SOURCES = Path(__file__).parent.parent / "src"
Event = dict[str, Any]


class TrainerProcess:
    """A running trainer; use as a context manager."""

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(SOURCES)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "plein_air"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            text=True,
        )
        self._stderr_to_devnull()
        self.ready = self.read()
        self._count = 0

    def _stderr_to_devnull(self) -> None:
        import threading

        self.log: list[str] = []
        assert self.process.stderr is not None
        threading.Thread(target=self.log.extend, args=(self.process.stderr,), daemon=True).start()

    def __enter__(self) -> TrainerProcess:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()

    def send(self, verb: str, **extra: Any) -> str:
        self._count += 1
        request = {"id": str(self._count), "verb": verb, **extra}
        self.send_line(json.dumps(request))
        return request["id"]

    def send_line(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def read(self) -> Event:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise EOFError("the trainer ended:\n" + "".join(self.log[-40:]))
        return json.loads(line)

    def call(self, verb: str, params: Any, on_event: Callable[[Event], None] = lambda _: None) -> Event:
        """Sends a request and returns its result or error event."""
        request = self.send(verb, params=params)
        while True:
            event = self.read()
            if event.get("id") == request and event["event"] in ("result", "error"):
                return event
            on_event(event)

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
