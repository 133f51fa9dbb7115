"""How the frozen transformer is held: its compute type, whether its weights are quantized, which blocks stay on the host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import torch

Precision = Literal["fp32", "bf16", "fp16"]
Quantization = Literal["none", "nf4", "int8", "fp8"]
_FP16_MOST = 65504.0


@dataclass(frozen=True)
class Holding:
    """What decides a loaded transformer besides its files; names as in the protocol."""

    precision: Precision
    quantization: Quantization = "none"
    offload_blocks: int = 0

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Holding:
        """From a request's parameters."""
        return cls(params["precision"], params["quantization"], params["offloadBlocks"])

    def text(self) -> str:
        """What decides a picture's bytes, as `sampleSetText` in the TypeScript half has it."""
        return self.precision if self.quantization == "none" else f"{self.precision}+{self.quantization}"

    def dtype(self) -> torch.dtype:
        """The compute type."""
        import torch

        return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[self.precision]


def blocks_of(transformer: Any) -> list[Any]:
    """Double blocks, then single ones."""
    return [*transformer.transformer_blocks, *transformer.single_transformer_blocks]


def offloaded(transformer: Any, count: int) -> list[Any]:
    """The last `count` blocks: those that stay on the host."""
    return blocks_of(transformer)[-count:] if count else []


def bring_when_needed(block: Any, device: torch.device) -> None:
    """Gives a block's forward pass copies of its weights on the device, which live as long as the pass needs them.

    Under gradient checkpointing the pass is done again in the backward pass, and so is the copy: at any time the device
    holds one offloaded block. What is on the device already, such as a trained LoRA, is used as it is.
    """
    from torch.func import functional_call

    plain = block.forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        here = {name: _bring(tensor, device) for name, tensor in _tensors(block) if tensor.device != device}
        block.forward = plain
        try:
            return functional_call(block, here, args, kwargs)
        finally:
            block.forward = forward

    block.forward = forward


def _tensors(block: Any) -> list[tuple[str, torch.Tensor]]:
    return [*block.named_parameters(), *block.named_buffers()]


def _bring(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    return tensor.to(device, non_blocking=True)


def clip_activations(transformer: Any) -> None:
    """Keeps what double blocks hand on within fp16: FLUX's residual stream outgrows it, and an infinity never heals.

    diffusers clips the text stream and the single blocks by itself.
    """
    for block in transformer.transformer_blocks:
        block.register_forward_hook(_clipped)


def _clipped(_block: Any, _args: Any, outputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return tuple(output.clip(-_FP16_MOST, _FP16_MOST) for output in outputs)


Placement = Callable[[str], "torch.device"]
"""Where a tensor of the transformer lives, by its name."""


def placement(transformer: Any, count: int, device: torch.device) -> Placement:
    """The host for the tensors of offloaded blocks, the device for all others."""
    import torch

    stay = {id(block) for block in offloaded(transformer, count)}
    prefixes = tuple(f"{name}." for name, module in transformer.named_modules() if id(module) in stay)
    return lambda name: torch.device("cpu") if prefixes and name.startswith(prefixes) else device
