"""When training has gone wrong for good: judged from a few numbers a step."""

from __future__ import annotations

import math
from statistics import median

from plein_air.errors import TrainerError

WINDOW = 20
"""Gradient norms remembered."""
EXPLOSION = 1000.0
"""A norm this many times the remembered median, three steps in a row, is an explosion."""
DEAD_AFTER = 10
"""Steps after which an adapter whose every B matrix is zero counts as dead."""


def check_loss(step: int, loss: float) -> None:
    """Refuses a loss that is NaN or infinite."""
    if not math.isfinite(loss):
        raise _diverged(step, f"Expected a finite loss, got {loss}", {"loss": str(loss)})


def check_gradient(step: int, norm: float, recent: list[float]) -> None:
    """Refuses a gradient norm that is not finite, or that has exploded against the `recent` ones before it."""
    if not math.isfinite(norm):
        raise _diverged(step, f"Expected a finite gradient norm, got {norm}", {"gradientNorm": str(norm)})
    if len(recent) < WINDOW:
        return
    usual = median(recent[:-2])
    if usual > 0 and min(norm, *recent[-2:]) > EXPLOSION * usual:
        raise _diverged(
            step,
            f"Expected a gradient norm near {usual:.3g}, got {norm:.3g} and no less in the two steps before",
            {"gradientNorm": norm, "usual": usual},
        )


def check_alive(step: int, dead: bool) -> None:
    """Refuses an adapter that still changes nothing after `DEAD_AFTER` steps."""
    if dead and step == DEAD_AFTER:
        raise _diverged(step, f"Expected the LoRA to have an effect after {step} steps, got B matrices of zeros", {})


def remember(norm: float, recent: list[float]) -> list[float]:
    """The norms that the next step is judged against."""
    return [*recent, norm][-WINDOW:]


def _diverged(step: int, what: str, details: dict[str, object]) -> TrainerError:
    return TrainerError(
        "Diverged",
        f"{what} at step {step} (training). The last checkpoint is kept: lower training.learningRate or check the data.",
        {"step": step, **details},
    )
