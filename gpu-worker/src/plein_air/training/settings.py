"""What `train` is asked to do, as frozen dataclasses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from plein_air.dataset.choices import Draws
from plein_air.families.family import Targets
from plein_air.loading import LoadOptions, Precision, Quantization

Schedule = Literal["constant", "cosine", "linear", "inverse-sqrt", "rex"]
OptimizerName = Literal["adamw", "adamw-8bit", "prodigy"]
Timesteps = Literal["logit-normal", "uniform"]
Attention = Literal["auto", "flash", "memory-efficient", "cudnn", "math"]


@dataclass(frozen=True)
class Training:
    """How the LoRA is trained; names and meaning as `TrainerTraining` in the protocol."""

    seed: int
    steps: int
    batch_size: int
    accumulation: int
    learning_rate: float
    schedule: Schedule
    schedule_steps: int
    warmup_steps: int
    rank: int
    alpha: float
    targets: Targets
    optimizer: OptimizerName
    weight_decay: float
    gradient_clip: float
    caption_dropout: float
    flip: float
    timesteps: Timesteps
    guidance: float
    precision: Precision
    quantization: Quantization
    offload_blocks: int
    gradient_checkpointing: bool
    attention: Attention
    compile: bool
    ema: float
    checkpoint_every: int
    held_out_every: int
    sample_every: int
    early_stopping: int
    resolution: int

    def draws(self, steps: int) -> Draws:
        """What decides the views that so many steps look at."""
        return Draws(self.seed, steps, self.batch_size, self.accumulation, self.flip, self.caption_dropout)

    def load_options(self) -> LoadOptions:
        """How the base is held."""
        return LoadOptions(self.precision, self.quantization, self.offload_blocks)


@dataclass(frozen=True)
class Sampling:
    """How validation images are generated; the side in pixels."""

    size: int
    inference_steps: int
    guidance: float


@dataclass(frozen=True)
class TrainParams:
    """Parameters of `train`; see `TrainParams` in the protocol."""

    base: str
    base_commit: str
    dataset_commit: str
    dataset: str
    cache: str
    out: str
    resume_from: str | None
    accept_differences: tuple[str, ...]
    stop_at_step: int | None
    training: Training
    sampling: Sampling

    def last_step(self) -> int:
        """The step at which this request ends at the latest."""
        return self.training.steps if self.stop_at_step is None else min(self.stop_at_step, self.training.steps)
