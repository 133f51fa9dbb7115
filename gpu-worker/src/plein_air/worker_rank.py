"""What ranks above 0 do: train along with whatever the leader trains, and say nothing."""

from __future__ import annotations

import signal
import threading
import traceback
from typing import Any

from plein_air.devices import set_environment
from plein_air.ranks import Ranks, abort


class _Silent:
    """An emitter that nobody hears."""

    def progress(self, *_: Any, **__: Any) -> None: ...
    def metric(self, *_: Any, **__: Any) -> None: ...
    def checkpoint(self, **_: Any) -> None: ...
    def sample(self, **_: Any) -> None: ...


def main() -> int:
    """Follows until the leader sends no more. The leader decides when to stop: a signal to all must not part them."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    set_environment()
    ranks = Ranks()
    silent: Any = _Silent()
    while (params := ranks.from_leader()) is not None:
        try:
            from plein_air.training.train import train_along

            train_along(params, silent, threading.Event(), ranks)
        except Exception as error:
            traceback.print_exc()
            abort(error)
    return 0
