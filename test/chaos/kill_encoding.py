"""Kills an encoding at random moments: no death costs more than one pack, and what is left trains as if there were none.

    python test/chaos/kill_encoding.py [--kills 20] [--seed 0] [--pictures 480]

A process of its own encodes pictures and captions with a small random FLUX, gets SIGKILL a random while after its first
pass, and another one goes on in the same folder, again and again; then one goes through. Counted by hooks at the VAE and
the text encoders, written before each pass. Prints JSON; exits with 1 where a death
cost more than a pack, or came too late.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[2]
sys.path[:0] = [str(PROJECT / "gpu-worker" / "src"), str(PROJECT / "gpu-worker" / "tests")]
os.environ["OMP_NUM_THREADS"] = "1"


class Quiet:
    """Events that go nowhere."""

    def progress(self, *_: Any) -> None: ...


def main() -> None:
    """Encodes once undisturbed, once with kills, and compares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pictures", type=int, default=480)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="plein-air-kill-encoding-") as name:
        figures = measure(Path(name), asked.kills, asked.seed, asked.pictures)
    print(json.dumps(figures, indent=1))
    right = figures["mostDoneAgain"] <= figures["packEntries"] and figures["sameEntries"]
    sys.exit(0 if right and figures["kills"] == asked.kills else 1)


def measure(root: Path, kills: int, seed: int, pictures: int) -> dict[str, Any]:
    """What the kills cost."""
    import small_dataset
    import small_flux
    from plein_air.devices import prepare_torch
    from plein_air.encoding.encode import PACK_ENTRIES

    prepare_torch()
    base, dataset = small_flux.build(root / "base"), small_dataset.write(root / "dataset", pictures, 8)
    warm(base)
    began = time.monotonic()
    whole = root / "whole"
    os.waitpid(begin(base, dataset, whole, root / "whole.log"), 0)
    needed, seconds = passes(root / "whole.log"), time.monotonic() - began
    draw = random.Random(seed)
    lives: list[list[bytes]] = []
    again: list[int] = []
    for death in range(kills + 1):
        log = root / f"life-{death}.log"
        pid = begin(base, dataset, root / "killed", log)
        while not passes(log) and not ended(pid):
            time.sleep(0.001)
        if death < kills:
            # A few packs a life, so that the work lasts for all of them, and anywhere in a pack.
            time.sleep(draw.random() * 2 * seconds / kills)
            if not ended(pid):
                os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        lives.append(passes(log))
    for death in range(kills):
        later = set().union(*lives[death + 1 :])
        again.append(sum(one in later for one in lives[death]))
    return {
        "kills": sum(1 for life in lives[1:] if life), "seed": seed, "packEntries": PACK_ENTRIES,
        "passesNeeded": len(needed), "passesDone": sum(map(len, lives)), "doneAgainAfterEachKill": again,
        "mostDoneAgain": max(again), "sameEntries": contents(whole) == contents(root / "killed"),
    }  # fmt: skip


def warm(base: Path) -> None:
    """Imports here what every process needs, once."""
    from plein_air.families import open_base
    from plein_air.loading import LoadOptions

    opened = open_base(str(base), LoadOptions.of(training()))
    opened.encode_prompt("warm")
    opened.release("text")


def training() -> dict[str, Any]:
    """Steps that look at every picture in every way."""
    from conftest import TRAINING

    return {**TRAINING, "steps": 2000}


def begin(base: Path, dataset: Path, out: Path, log: Path) -> int:
    """A process that encodes; what it passes through a network is named in `log` before it is."""
    pid = os.fork()
    if pid > 0:
        return pid
    status = 1
    try:
        from plein_air.encoding import encode
        from plein_air.families.flux1.base import FluxBase

        counter = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for name in ("encode_image", "encode_prompt"):
            setattr(FluxBase, name, counted(getattr(FluxBase, name), counter))
        params = {"base": str(base), "dataset": str(dataset), "out": str(out), "training": training()}
        encode.run({**params, "stopAtStep": None}, Quiet(), threading.Event())  # pyright: ignore[reportArgumentType]
        status = 0
    finally:
        if status:
            traceback.print_exc()
        os._exit(status)


def counted(plain: Any, counter: int) -> Any:
    """The same, with eight bytes of the argument's sha256 for each call."""

    def call(self: Any, seen: Any) -> Any:
        data = seen.encode() if isinstance(seen, str) else seen.cpu().numpy().tobytes()
        os.write(counter, hashlib.sha256(data).digest()[:8])
        return plain(self, seen)

    return call


def passes(log: Path) -> list[bytes]:
    """Passes begun so far, by what went through."""
    data = log.read_bytes() if log.exists() else b""
    return [data[start : start + 8] for start in range(0, len(data), 8)]


def ended(pid: int) -> bool:
    """Whether a child of ours is over; it stays to be waited for."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def entries(folder: Path) -> dict[str, Any]:
    """Entries in packs that are whole, with their tensors."""
    from plein_air.encoding.store import Store

    store = Store(folder)
    assert store.damaged == [], f"expected whole packs, got {store.damaged}"
    return {key: store.read(key) for key in store._pack_of}


def contents(folder: Path) -> dict[str, dict[str, bytes]]:
    """Bytes of every entry."""
    import torch

    return {
        key: {name: tensor.contiguous().view(torch.uint8).numpy().tobytes() for name, tensor in entry.items()}
        for key, entry in entries(folder).items()
    }


if __name__ == "__main__":
    main()
