"""What makes steps smaller or faster without changing what they compute: checkpointing, attention kernels, compiling."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, assert_never

from plein_air.errors import TrainerError
from plein_air.families.family import Base
from plein_air.training.settings import Attention, Training

_NO_KERNEL = ("No available kernel", "No viable backend for scaled_dot_product_attention")
"""What PyTorch says where no attention kernel of those allowed can compute the inputs."""

_VARIANTS = 128
"""Compiled variants of a block: one for each of 19 picture sizes, with and without a gradient of its input, and room."""
_BACKEND = "inductor"


@contextmanager
def optimized(base: Base, training: Training) -> Iterator[None]:
    """The base's transformer as this training wants it, and afterwards as it was."""
    transformer = base.transformer()
    if training.gradient_checkpointing:
        transformer.enable_gradient_checkpointing(_checkpoint)
    if training.compile:
        _compile(base.blocks())
    try:
        with attention(training.attention):
            yield
    finally:
        if training.gradient_checkpointing:
            transformer.disable_gradient_checkpointing()
        if training.compile:
            for block in base.blocks():
                block._compiled_call_impl = None


def _checkpoint(block: Any, *args: Any) -> Any:
    """Without saving random states: nothing in a frozen block with LoRA draws from them."""
    from torch.utils.checkpoint import checkpoint

    return checkpoint(block.__call__, *args, use_reentrant=False, preserve_rng_state=False)


def _compile(blocks: list[Any]) -> None:
    """Block by block: the same code serves every block of a kind, so that compiling takes seconds, not minutes."""
    import torch

    for block in blocks:
        block._compiled_call_impl = _serving_all(torch.compile(block._call_impl, dynamic=False, backend=_BACKEND))


def _serving_all(compiled: Callable[..., Any]) -> Callable[..., Any]:
    """Compiled for every size that comes, or an error: PyTorch would run the ninth size uncompiled and say nothing."""
    from torch._dynamo import config
    from torch._dynamo.exc import FailOnRecompileLimitHit

    def call(*args: Any, **kwargs: Any) -> Any:
        # Settings are one thread's own, and a backward pass that computes a block again has a thread of its own on a GPU.
        if config.recompile_limit != _VARIANTS:
            config.recompile_limit = _VARIANTS
            config.fail_on_recompile_limit_hit = True
        try:
            return compiled(*args, **kwargs)
        except FailOnRecompileLimitHit as error:
            raise TrainerError(
                "InvalidInput",
                f"Expected at most {_VARIANTS} compiled variants of a block, got more: PyTorch gave up compiling. Set "
                "training.compile to false.",
                {"field": "training.compile"},
            ) from error

    return call


def uncompiled(training: Training) -> AbstractContextManager[None]:
    """For what is measured or painted now and then: its sizes and batches would be compiled for a few calls."""
    import torch

    return torch.compiler.set_stance("force_eager") if training.compile else nullcontext()


def attention(kernel: Attention) -> AbstractContextManager[None]:
    """Scaled dot product attention by this kernel alone; a kernel that the device lacks is an error, not a fallback."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    match kernel:
        case "auto":
            return nullcontext()
        case "flash":
            backend = SDPBackend.FLASH_ATTENTION
        case "memory-efficient":
            backend = SDPBackend.EFFICIENT_ATTENTION
        case "cudnn":
            backend = SDPBackend.CUDNN_ATTENTION
        case "math":
            backend = SDPBackend.MATH
        case _:
            assert_never(kernel)
    return _named(sdpa_kernel(backend), kernel)


@contextmanager
def _named(kernels: AbstractContextManager[Any], kernel: str) -> Iterator[None]:
    try:
        with kernels:
            yield
    except RuntimeError as error:
        if not any(text in str(error) for text in _NO_KERNEL):
            raise
        raise TrainerError(
            "InvalidInput",
            f"Expected an attention kernel {kernel!r} for this device and precision, got none: set training.attention to "
            "'auto'.",
            {"field": "training.attention"},
        ) from error
