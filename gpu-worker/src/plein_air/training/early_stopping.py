"""When to stop early: the held-out loss has risen and so has copying, again and again."""

from __future__ import annotations

from collections.abc import Sequence

Measurement = Sequence[float]
"""Step, held-out loss, copying: one validation step."""


def should_stop(measurements: Sequence[Measurement], patience: int) -> bool:
    """Whether the last `patience` measurements all lie above the best held-out loss and copy more than it did.

    A held-out loss rises early and by itself says little; a model that has begun to repeat its pictures shows both.
    """
    if patience < 1 or len(measurements) <= patience:
        return False
    past, recent = measurements[:-patience], measurements[-patience:]
    _, best_loss, best_copying = min(past, key=lambda m: m[1])
    return all(loss > best_loss and copying > best_copying for _, loss, copying in recent)
