"""What makes steps smaller or faster without changing what they compute: checkpointing, attention kernels, compiling."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from plein_air.errors import TrainerError
from plein_air.holding import blocks_of
from plein_air.training.settings import Training


@contextmanager
def prepared(transformer: Any, training: Training) -> Iterator[None]:
    """The transformer as this training wants it, and afterwards as it was."""
    if training.gradient_checkpointing:
        transformer.enable_gradient_checkpointing(_checkpoint)
    if training.compile:
        _compile(transformer)
    try:
        with attention(training.attention):
            yield
    finally:
        if training.gradient_checkpointing:
            transformer.disable_gradient_checkpointing()
        if training.compile:
            for block in blocks_of(transformer):
                block._compiled_call_impl = None


def _checkpoint(block: Any, *args: Any) -> Any:
    """Without saving random states: nothing in a frozen FLUX block with LoRA draws from them."""
    from torch.utils.checkpoint import checkpoint

    return checkpoint(block.__call__, *args, use_reentrant=False, preserve_rng_state=False)


def _compile(transformer: Any) -> None:
    """Block by block: the same code serves every block of a kind, so that compiling takes seconds, not minutes."""
    for block in blocks_of(transformer):
        block.compile(dynamic=False)


def attention(kernel: str) -> AbstractContextManager[None]:
    """Scaled dot product attention by this kernel alone; a kernel that the device lacks is an error, not a fallback."""
    if kernel == "auto":
        return nullcontext()
    from torch.nn.attention import SDPBackend, sdpa_kernel

    backends = {
        "flash": SDPBackend.FLASH_ATTENTION,
        "memory-efficient": SDPBackend.EFFICIENT_ATTENTION,
        "cudnn": SDPBackend.CUDNN_ATTENTION,
        "math": SDPBackend.MATH,
    }
    return _named(sdpa_kernel(backends[kernel]), kernel)


@contextmanager
def _named(kernels: AbstractContextManager[Any], kernel: str) -> Iterator[None]:
    try:
        with kernels:
            yield
    except RuntimeError as error:
        if "No available kernel" not in str(error):
            raise
        raise TrainerError(
            "InvalidInput",
            f"Expected an attention kernel {kernel!r} for this device and precision, got none: set training.attention to "
            "'auto'.",
            {"field": "training.attention"},
        ) from error
