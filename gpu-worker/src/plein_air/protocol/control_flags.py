"""What the sender of a request may ask for while it runs."""

from __future__ import annotations

import threading


class ControlFlags(threading.Event):
    """Set: end at the next safe point. `checkpoint_requested` set: save there, and continue."""

    def __init__(self) -> None:
        """Nothing is requested yet."""
        super().__init__()
        self.checkpoint_requested = threading.Event()
