"""The LoRA: where it sits, how it starts, and how it looks as a file."""

from __future__ import annotations

import json
import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from plein_air.errors import TrainerError
from plein_air.families.family import Base
from plein_air.randomness import draw
from plein_air.tensor_file import pack_tensors, read_header
from plein_air.training.lora_forward import lean_forward
from plein_air.training.settings import Training

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import torch

NAME = "default"
FILE = "pytorch_lora_weights.safetensors"
"""Where diffusers looks for an adapter."""


class Adapter:
    """LoRA matrices in fp32 on a frozen transformer, by their names in diffusers' file."""

    def __init__(self, base: Base, training: Training) -> None:
        """Adds the matrices: A uniform as in Kaiming's initialization but drawn from the seed, B zero."""
        import torch
        from peft import LoraConfig

        transformer = base.transformer()
        pattern = base.target_layers(training.targets)
        modules = [
            name
            for name, module in transformer.named_modules()
            if isinstance(module, torch.nn.Linear) and pattern.fullmatch(name)
        ]
        self._config = LoraConfig(
            r=training.rank,
            lora_alpha=training.alpha,  # pyright: ignore[reportArgumentType]
            target_modules=modules,
            init_lora_weights=False,
        )
        transformer.add_adapter(self._config, adapter_name=NAME)
        self._transformer = transformer
        lean_forward(transformer, NAME)
        self.parameters: dict[str, torch.nn.Parameter] = {}
        for name, parameter in transformer.named_parameters():
            if ".lora_" in name:
                # On the device even where the block it sits in waits on the host.
                parameter.data = parameter.data.to(base.device, torch.float32)
                parameter.requires_grad_(True)
                self.parameters["transformer." + name.replace(f".{NAME}.", ".")] = parameter
        self.parameters = dict(sorted(self.parameters.items()))
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                if ".lora_B." in name:
                    parameter.zero_()
                    continue
                generator = torch.Generator().manual_seed(draw(training.seed, "initialize", name))
                bound = 1 / math.sqrt(parameter.shape[1])
                parameter.copy_(torch.rand(parameter.shape, generator=generator).mul_(2 * bound).sub_(bound))

    def metadata(self) -> dict[str, str]:
        """The file's header: without it alpha would be lost."""
        config = self._config
        return {
            "format": "pt",
            "lora_adapter_metadata": lora_header(config.r, config.lora_alpha, config.target_modules or []),
        }

    def pack(self, tensors: dict[str, torch.Tensor] | None = None) -> bytes:
        """Bytes of the adapter's file, with these tensors (an average of them, for one) in place of its own."""
        return pack_tensors(tensors if tensors is not None else dict(self.parameters), self.metadata())

    def load(self, tensors: dict[str, torch.Tensor]) -> None:
        """Copies tensors of a checkpoint into the matrices."""
        copy_named(tensors, dict(self.parameters), "adapter")

    def is_dead(self) -> bool:
        """Whether every B is still zero, so that the adapter changes nothing."""
        return not any(bool(p.any()) for name, p in self.parameters.items() if ".lora_B." in name)

    def remove(self) -> None:
        """Gives the transformer back as it was."""
        self._transformer.unload_lora()


@contextmanager
def fresh_adapter(base: Base, training: Training) -> Iterator[Adapter]:
    """An adapter for the time of one request: the transformer is shared with the requests after it."""
    adapter = Adapter(base, training)
    try:
        yield adapter
    finally:
        adapter.remove()


def lora_header(rank: int, alpha: float, modules: Iterable[str]) -> str:
    """LoRA configuration as diffusers stores it in a file, as JSON.

    Complete, because diffusers 0.34 to 0.39 read fields such as `rank_pattern` without a default; and only fields that
    every peft since 0.15 knows, because it refuses a configuration with others.
    """
    fields = {
        "r": rank,
        "lora_alpha": alpha,
        "target_modules": sorted(modules),
        "rank_pattern": {},
        "alpha_pattern": {},
        "exclude_modules": None,
        "modules_to_save": None,
        "layers_to_transform": None,
        "layers_pattern": None,
        "layer_replication": None,
        "lora_dropout": 0.0,
        "lora_bias": False,
        "bias": "none",
        "fan_in_fan_out": False,
        "init_lora_weights": True,
        "inference_mode": True,
        "use_dora": False,
        "use_rslora": False,
        "peft_type": "LORA",
        "task_type": None,
    }
    return json.dumps({f"transformer.{key}": value for key, value in fields.items()}, sort_keys=True)


def header_config(file: Path) -> dict[str, Any]:
    """The configuration in an adapter's header."""
    try:
        stored = json.loads(read_header(file)[1]["lora_adapter_metadata"])
        return {key.removeprefix("transformer."): value for key, value in stored.items()}
    except (KeyError, ValueError, AttributeError) as error:
        raise TrainerError(
            "Corrupt", f"Expected a LoRA configuration in the header of {file}, got {error!r}"
        ) from error


def rank_and_alpha(file: Path) -> tuple[int, float]:
    """What an adapter's header says: the update is weighted by alpha / rank."""
    config = header_config(file)
    try:
        return int(config["r"]), float(config["lora_alpha"])
    except (KeyError, TypeError, ValueError) as error:
        raise TrainerError("Corrupt", f"Expected rank and alpha in the header of {file}, got {error!r}") from error


def copy_named(source: dict[str, torch.Tensor], target: dict[str, torch.Tensor], what: str) -> None:
    """Copies tensors by name in place; Corrupt when names or shapes differ."""
    import torch

    if source.keys() != target.keys() or any(source[n].shape != t.shape for n, t in target.items()):
        missing, extra = sorted(target.keys() - source.keys()), sorted(source.keys() - target.keys())
        raise TrainerError(
            "Corrupt",
            f"Expected the checkpoint's {what} to have this run's tensors, got {len(missing)} missing "
            f"({missing[:2]}), {len(extra)} unknown ({extra[:2]}), or other shapes: resume from another checkpoint.",
        )
    with torch.no_grad():
        for name, tensor in target.items():
            tensor.copy_(source[name])
