"""Stages of a build that can be cut off: their state on disk, and a learning rate that does not depend on the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

_EVERY = 50
_DECAY = 0.3
"""Share of the steps at the end in which the rate falls to zero."""


@dataclass(frozen=True)
class Stage:
    """One stage's steps, its state file (none: it is not kept) and where its progress goes."""

    name: str
    steps: int
    file: Path | None
    log: Callable[[str], None]

    def rate(self, step: int, peak: float, warmup: int) -> float:
        """Learning rate: warm-up, plateau, then a straight fall over the last 30 % of the steps.

        Until the fall begins nothing depends on `steps`, so a state kept from a long run also continues a shorter one,
        to the same bytes that the shorter run would have reached by itself.
        """
        falling = min(1.0, (self.steps - step) / (_DECAY * self.steps))
        return peak * min(1.0, (step + 1) / warmup) * falling

    def resume(self, state: dict[str, Any]) -> int:
        """Loads what was kept into `state`'s objects and returns the step to go on with; 0 without a file."""
        if self.file is None or not self.file.exists():
            return 0
        kept = torch.load(self.file, map_location="cpu", weights_only=True)
        plateau_end = self.steps - _DECAY * self.steps
        if kept["step"] > plateau_end and kept["steps"] != self.steps:
            self.log(f"{self.name}: kept state is past the plateau of {self.steps} steps, starting again")
            return 0
        for name, holder in state.items():
            holder.load_state_dict(kept[name])
        self.log(f"{self.name}: going on from step {kept['step']}")
        return kept["step"]

    def keep(self, step: int, state: dict[str, Any]) -> None:
        """Writes the state after `step` steps, every 50 of them; the file is replaced as a whole."""
        if self.file is None or step % _EVERY:
            return
        self.file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.file.with_suffix(".unfinished")
        parts = {name: holder.state_dict() for name, holder in state.items()}
        torch.save({"step": step, "steps": self.steps, **parts}, unfinished)
        unfinished.replace(self.file)


class Held:
    """Something with a state that is not a module: a random source, a list, a sum; by how to read and write it."""

    def __init__(self, read: Callable[[], Any], write: Callable[[Any], None]) -> None:
        """Takes the reader and the writer of the state."""
        self._read = read
        self._write = write

    def state_dict(self) -> dict[str, Any]:
        """The state in a dictionary, as torch's own objects give theirs."""
        return {"value": self._read()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Puts the state back."""
        self._write(state["value"])
