"""peft's LoRA on a linear layer, computed by the same operations without the questions that it asks at every call.

On a small model those questions (which adapters, which variant, merged or not) took a tenth of a micro-step. For the one
adapter that is trained the answers never change.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def lean_forward(transformer: Any, adapter: str) -> None:
    """Gives every plain LoRA layer a forward pass of its own; quantized ones keep peft's. It goes with the adapter."""
    from peft.tuners.lora import Linear

    for layer in transformer.modules():
        if type(layer) is Linear and adapter not in layer.lora_variant:
            layer.forward = _forward(layer, adapter)  # pyright: ignore[reportAttributeAccessIssue]


def _forward(layer: Any, adapter: str) -> Callable[[torch.Tensor], torch.Tensor]:
    from torch.nn.functional import linear

    base, scaling = layer.base_layer, layer.scaling[adapter]
    down, up = layer.lora_A[adapter].weight, layer.lora_B[adapter].weight

    def forward(x: torch.Tensor) -> torch.Tensor:
        result = base(x)
        change = linear(linear(x.to(down.dtype), down), up)
        return (result + (change if scaling == 1 else change * scaling)).to(result.dtype)

    return forward
