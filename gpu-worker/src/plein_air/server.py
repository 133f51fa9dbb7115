"""The loop: one request at a time, read by a thread so that `stop` arrives while a request runs."""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import threading
import time
import traceback
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, TextIO

from plein_air.errors import TrainerError, classify
from plein_air.protocol.channel import Channel, Emitter, take_stdout
from plein_air.protocol.control_flags import ControlFlags
from plein_air.ranks import Ranks, how_many

VERBS = {
    "probe": "plein_air.probe",
    "encode": "plein_air.encoding.encode",
    "caption": "plein_air.captioning.caption",
    "train": "plein_air.training.train",
    "sample": "plein_air.evaluation.sample",
    "evaluate": "plein_air.evaluation.evaluate",
    "export": "plein_air.exporting.export",
    "fuse": "plein_air.exporting.whole",
    "suggest": "plein_air.tuning.suggest",
    "assess": "plein_air.tuning.assess",
}
"""Module of each verb; imported at its first request, `run(params, emit, stop)` does the work."""

CONTROLS = ("checkpoint", "stop", "shutdown")
"""What may be asked of the requests that run; not answered by itself."""


@dataclass(frozen=True)
class Request:
    """One line that asked for work, and what its sender wishes while it runs."""

    id: str
    verb: str
    params: Any
    stop: ControlFlags = field(default_factory=ControlFlags)


class Inbox:
    """Requests that wait or run, and whether the process is to end after them."""

    def __init__(self, channel: Channel) -> None:
        """Starts empty."""
        self._channel = channel
        self._waiting: SimpleQueue[Request | None] = SimpleQueue()
        self._open: list[Request] = []
        self._closed = False

    def next(self) -> Request | None:
        """The next request, or None once the process is to end; waits."""
        return self._waiting.get()

    def finish(self, request: Request) -> None:
        """Forgets a request that was answered."""
        self._open.remove(request)

    def stop(self) -> None:
        """Asks everything received so far to end at its next safe point."""
        for request in list(self._open):
            request.stop.set()

    def checkpoint(self) -> None:
        """Asks everything received so far to save at its next safe point and to go on."""
        for request in list(self._open):
            request.stop.checkpoint_requested.set()

    def shut_down(self) -> None:
        """Ends the process after the requests received so far."""
        if not self._closed:
            self._closed = True
            self._waiting.put(None)

    def accept(self, line: str) -> None:
        """Takes one line of stdin; a line that is no request is answered with InvalidInput."""
        request_id = "unknown"
        try:
            try:
                wire = json.loads(line)
            except ValueError:
                raise ValueError("one JSON object") from None
            if not isinstance(wire, dict) or not isinstance(wire.get("id"), str):
                raise ValueError("an object with a string `id`")
            request_id, verb = wire["id"], wire.get("verb")
            if verb not in (*VERBS, *CONTROLS):
                raise ValueError(f"`verb` to be one of {', '.join([*VERBS, *CONTROLS])}")
            unknown = set(wire) - {"id", "verb", "params"}
            if unknown:
                raise ValueError(f"no other fields than id, verb and params, got {sorted(unknown)}")
        except ValueError as error:
            Emitter(self._channel, request_id).error(
                "InvalidInput", f"Expected {error} in a request line, got: {line[:200]}", {}
            )
            return
        if verb == "checkpoint":
            self.checkpoint()
        elif verb == "stop":
            self.stop()
        elif verb == "shutdown":
            self.shut_down()
        elif self._closed:
            Emitter(self._channel, request_id).error(
                "InvalidInput", f"Expected no request after shutdown, got `{verb}`: start a new trainer.", {}
            )
        else:
            request = Request(request_id, verb, wire.get("params"))
            self._open.append(request)
            self._waiting.put(request)


def main() -> int:
    """Serves stdin until shutdown, its end, SIGTERM or the death of the parent process."""
    parent = os.getppid()
    channel = Channel(take_stdout())
    inbox = Inbox(channel)

    def end(_signal: int, _frame: object) -> None:
        inbox.stop()
        inbox.shut_down()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    channel.send({"event": "ready", "protocol": 1, "pid": os.getpid()})
    threading.Thread(target=_read, args=(sys.stdin, inbox, parent), name="requests", daemon=True).start()
    ended = 0
    while ended == 0 and (request := inbox.next()) is not None:
        answered = _serve(request, channel)
        inbox.finish(request)
        # After a failure the others may stand anywhere: all begin anew together.
        ended = 0 if answered or how_many() == 1 else 1
    if ended == 0 and how_many() > 1:
        Ranks().from_leader(None)
    channel.close()
    return ended


def _read(lines: TextIO, inbox: Inbox, parent: int) -> None:
    for line in lines:
        if line.strip():
            inbox.accept(line)
    inbox.shut_down()
    # A parent that lives has closed stdin on purpose and gets its answers; one that died reads none.
    while os.getppid() == parent:
        time.sleep(0.1)
    os._exit(1)


def _serve(request: Request, channel: Channel) -> bool:
    """Answers a request; whether with a result."""
    emit = Emitter(channel, request.id)
    try:
        from plein_air.devices import set_environment
        from plein_air.protocol.schema import check_params

        params = check_params(request.verb, request.params)
        set_environment()
        emit.result(importlib.import_module(VERBS[request.verb]).run(params, emit, request.stop))
        return True
    except Exception as error:
        failure = classify(error)
        if not isinstance(error, TrainerError):
            traceback.print_exc()
        emit.error(failure.kind, str(failure), failure.details)
        return False
