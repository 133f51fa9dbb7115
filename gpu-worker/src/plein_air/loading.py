"""How the frozen transformer is held: its compute type, whether its weights are quantized, which blocks stay on the host."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, assert_never

if TYPE_CHECKING:
    import torch

Precision = Literal["fp32", "bf16", "fp16"]
Quantization = Literal["none", "nf4", "int8", "fp8"]


@dataclass(frozen=True)
class LoadOptions:
    """What decides a loaded transformer besides its files; names as in the protocol."""

    precision: Precision
    quantization: Quantization = "none"
    offload_blocks: int = 0

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> LoadOptions:
        """From a request's parameters."""
        return cls(params["precision"], params["quantization"], params["offloadBlocks"])

    def text(self) -> str:
        """What decides a picture's bytes, as `sampleSetText` in the TypeScript half has it."""
        return self.precision if self.quantization == "none" else f"{self.precision}+{self.quantization}"

    def dtype(self) -> torch.dtype:
        """The compute type."""
        import torch

        match self.precision:
            case "fp32":
                return torch.float32
            case "bf16":
                return torch.bfloat16
            case "fp16":
                return torch.float16
            case _:
                assert_never(self.precision)


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


def pin(block: Any, device: torch.device) -> None:
    """Locks a block's plain weights in host memory, from where a GPU copies them without waiting for the CPU."""
    if device.type != "cuda":
        return
    for parameter in block.parameters():
        if type(parameter.data).__name__ == "Tensor":
            parameter.data = parameter.data.pin_memory()


Placement = Callable[[str], "torch.device"]
"""Where a tensor of a model is kept, by its name."""


def placement(model: Any, on_host: Sequence[Any], device: torch.device) -> Placement:
    """The host for the tensors of the modules `on_host`, the device for all others."""
    import torch

    stay = {id(module) for module in on_host}
    prefixes = tuple(f"{name}." for name, module in model.named_modules() if id(module) in stay)
    return lambda name: torch.device("cpu") if prefixes and name.startswith(prefixes) else device
