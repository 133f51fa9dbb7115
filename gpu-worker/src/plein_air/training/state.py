"""Everything a checkpoint carries besides tensors."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from plein_air.errors import TrainerError
from plein_air.training.fingerprint import Fingerprint

FP16_SCALE = 2.0**13
"""First loss scale under fp16; gradients of a frozen fp16 base would vanish without one."""
GROWTH_STEPS = 500
"""Steps without overflow after which the loss scale doubles."""


@dataclass
class State:
    """Where training stands; the only thing that changes besides tensors."""

    micro_step: int = 0
    #: Steps done, an overflowed one included; and updates of the optimizer, without it.
    step: int = 0
    updates: int = 0
    #: Losses of the micro-steps of the step in progress.
    open_losses: list[float] = field(default_factory=list)
    train_loss: float | None = None
    held_out_loss: float | None = None
    held_out_step: int | None = None
    validation_step: int | None = None
    gradient_norms: list[float] = field(default_factory=list)
    loss_scale: float = 1.0
    since_overflow: int = 0
    #: Step, held-out loss and copying of each validation step, where early stopping compares them; and whether it has stopped.
    measurements: list[list[float]] = field(default_factory=list)
    stopped_early: bool = False
    #: What the optimizer knows besides its tensors.
    optimizer: dict[str, float] = field(default_factory=dict)
    #: Fingerprint fields that differed at some resume and were accepted.
    accepted_differences: list[str] = field(default_factory=list)

    def held_out_here(self) -> float | None:
        """The held-out loss if it was measured at this very step."""
        return self.held_out_loss if self.held_out_step == self.step else None

    def overflowed(self) -> None:
        """Halves the loss scale after a step whose gradients did not fit into fp16."""
        self.loss_scale, self.since_overflow = self.loss_scale / 2, 0

    def fitted(self) -> None:
        """Counts a step without overflow, and doubles the loss scale after many."""
        self.since_overflow += 1
        if self.since_overflow == GROWTH_STEPS:
            self.loss_scale, self.since_overflow = self.loss_scale * 2, 0


def pack_state(state: State, fingerprint: Fingerprint) -> bytes:
    """Bytes of `state.json`; floats in full, so that they read back the same."""
    return json.dumps(
        {"format": 1, "state": asdict(state), "fingerprint": fingerprint}, indent=1, sort_keys=True
    ).encode()


def unpack_state(data: bytes) -> tuple[State, Fingerprint]:
    """State and fingerprint of a checkpoint."""
    try:
        wire: dict[str, Any] = json.loads(data)
        return State(**wire["state"]), wire["fingerprint"]
    except (ValueError, KeyError, TypeError) as error:
        raise TrainerError(
            "Corrupt", f"Expected a training state in state.json, got: {error}. Resume from another checkpoint."
        ) from error
