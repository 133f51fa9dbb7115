"""Trainers without the wait for torch: a process that has imported everything forks one for each launcher that asks.

A launcher (written beside the socket) stands where Python would: it hands its stdin, stdout and stderr over and waits. What
is forked runs the trainer's own `main`, and is killed for real. Each of its events goes, with the time, to a trace file too.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

LAUNCHER = """#!{python} -SE
import json, os, signal, socket, sys
link = socket.socket(socket.AF_UNIX)
link.connect({path!r})
for name in (signal.SIGTERM, signal.SIGINT):
    signal.signal(name, lambda *_: link.send(b"T"))
socket.send_fds(link, [json.dumps(dict(os.environ)).encode()], [0, 1, 2])
for descriptor in (0, 1):
    os.close(descriptor)
status = link.recv(16)
sys.exit(int(status or b"1"))
"""


def warm() -> None:
    """Imports what a training needs, as its first request would."""
    from plein_air.devices import prepare_torch, set_environment

    set_environment()
    import importlib.util

    import diffusers
    import peft
    import pyarrow.parquet
    import transformers

    import plein_air.encoding.encode
    import plein_air.server
    import plein_air.training.train
    import plein_air.training.trainer

    for part in ("AutoencoderKL", "FluxTransformer2DModel", "FluxPipeline", "FlowMatchEulerDiscreteScheduler"):
        getattr(diffusers, part)
    for part in ("CLIPTextModel", "T5EncoderModel", "CLIPTokenizer", "T5TokenizerFast"):
        getattr(transformers, part)
    # What peft imports by itself when it wraps a layer, where it is installed.
    for name in ("bitsandbytes", "torchao"):
        if importlib.util.find_spec(name) is not None:
            importlib.import_module(name)
    assert peft and pyarrow.parquet
    prepare_torch()


def main(folder: Path) -> None:
    """Serves launchers until killed; `folder` gets the socket, the launcher and the traces."""
    warm()
    path = str(folder / "socket")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(8)
    launcher = folder / "python"
    launcher.write_text(LAUNCHER.format(python=sys.executable, path=path))
    launcher.chmod(0o755)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print("ready", flush=True)
    parent = os.getppid()
    listener.settimeout(0.5)
    while os.getppid() == parent:
        try:
            link, _ = listener.accept()
        except TimeoutError:
            continue
        link.setblocking(True)
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _supervise(link, folder)
        link.close()


def _supervise(link: socket.socket, folder: Path) -> None:
    """Forks the trainer, tells its launcher how it ended, and takes it along when the launcher is gone."""
    message, descriptors, _, _ = socket.recv_fds(link, 1 << 20, 3)
    trainer = os.fork()
    if trainer == 0:
        link.close()
        for target, descriptor in enumerate(descriptors):
            os.dup2(descriptor, target)
            os.close(descriptor)
        _train(json.loads(message), folder)
    for descriptor in descriptors:
        os.close(descriptor)
    link.settimeout(0.02)
    while True:
        ended, status = os.waitpid(trainer, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            with _ignored():
                link.send(str(code if code >= 0 else 128 - code).encode())
            os._exit(0)
        try:
            word = link.recv(1)
        except TimeoutError:
            continue
        except OSError:
            word = b""
        with _ignored():
            os.kill(trainer, signal.SIGTERM if word else signal.SIGKILL)
        if not word:
            os.waitpid(trainer, 0)
            os._exit(0)


def _train(environment: dict[str, str], folder: Path) -> None:
    from plein_air import server
    from plein_air.protocol.channel import Channel

    os.environ.clear()
    os.environ.update(environment)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w", closefd=False), open(2, "w", closefd=False)
    trace = open(folder / f"trace-{os.getpid()}.jsonl", "a", buffering=1)
    send = Channel.send

    def traced(self: Channel, event: dict[str, Any]) -> None:
        send(self, event)
        trace.write(json.dumps({"at": time.time() * 1000, **event}) + "\n")

    Channel.send = traced  # pyright: ignore[reportAttributeAccessIssue]
    os._exit(server.main())


class _ignored:
    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, *_: object) -> bool:
        return kind is not None and issubclass(kind, OSError)  # pyright: ignore[reportArgumentType]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
