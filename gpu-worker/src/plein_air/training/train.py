"""The verb `train`."""

from __future__ import annotations

import threading
from typing import Any

from plein_air.errors import TrainerError
from plein_air.families import open_base
from plein_air.protocol.channel import Emitter
from plein_air.protocol.decode import decode
from plein_air.ranks import Ranks
from plein_air.training.settings import Training, TrainParams


def run(params: dict[str, Any], emit: Emitter, stop: threading.Event) -> dict[str, Any]:
    """Trains a LoRA from the start or from a checkpoint; see `TrainParams` and `TrainResult` in the protocol."""
    _check(decode(TrainParams, params).training)
    ranks = Ranks()
    ranks.from_leader(params)
    result = train_along(params, emit, stop, ranks)
    assert result is not None, "rank 0 leads"
    return result


def train_along(params: dict[str, Any], emit: Emitter, stop: threading.Event, ranks: Ranks) -> dict[str, Any] | None:
    """One process's part of a training: the whole of it where there is one; a result where it leads."""
    request = decode(TrainParams, params)
    from plein_air.training.adapter import fresh_adapter
    from plein_air.training.optimizations import optimized
    from plein_air.training.trainer import Trainer

    base = open_base(request.base, request.training.load_options())
    if base.device.type == "cuda":
        base.release("vae", "text")
    with fresh_adapter(base, request.training) as adapter, optimized(base, request.training):
        trainer = Trainer(request, base, adapter, emit, ranks)
        return trainer.run(stop) if ranks.leads else trainer.follow()


def _check(training: Training) -> None:
    """What the schema's types do not say."""
    problems = [
        {"field": f"training.{field}", "problem": f"expected {expected}, got {got}"}
        for field, expected, got, wrong in (
            ("steps", "at least 1", training.steps, training.steps < 1),
            ("batchSize", "at least 1", training.batch_size, training.batch_size < 1),
            ("accumulation", "at least 1", training.accumulation, training.accumulation < 1),
            ("rank", "at least 1", training.rank, training.rank < 1),
            ("checkpointEvery", "at least 1", training.checkpoint_every, training.checkpoint_every < 1),
            ("heldOutEvery", "at least 1", training.held_out_every, training.held_out_every < 1),
            ("sampleEvery", "at least 0", training.sample_every, training.sample_every < 0),
            (
                "sampleEvery",
                "a multiple of heldOutEvery with earlyStopping",
                training.sample_every,
                training.early_stopping > 0
                and (training.sample_every < 1 or training.sample_every % training.held_out_every > 0),
            ),
            ("learningRate", "more than 0", training.learning_rate, not training.learning_rate > 0),
            ("ema", "from 0 to below 1", training.ema, not 0 <= training.ema < 1),
        )
        if wrong
    ]
    if problems:
        listed = "; ".join(f"{p['field']}: {p['problem']}" for p in problems)
        raise TrainerError(
            "InvalidInput", f"Expected settings that can be trained with: {listed}", {"problems": problems}
        )
