"""What the sender of a request may wish while it runs."""

from __future__ import annotations

import threading


class Wishes(threading.Event):
    """Set: end at the next safe point. `checkpoint` set: save there, and go on."""

    def __init__(self) -> None:
        """Wishes nothing yet."""
        super().__init__()
        self.checkpoint = threading.Event()
