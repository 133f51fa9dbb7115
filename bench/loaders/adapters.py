"""Adapters to load, and the change of every layer that each of them stands for.

A tool's change of a layer is compared with B A alpha / rank of the matrices that were trained. Both are multiplied by one
random matrix (a sketch) first: enough to tell them apart, and small.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[2] / "gpu-worker" / "src"))

if TYPE_CHECKING:
    import torch

PRESETS = ("attention", "attention+feed-forward", "all-linear")
RANKS = ((32, 8), (4, 32), (16, 16))
COLUMNS = 4
SHAPES: dict[str, dict[str, Any]] = {
    "small": {"num_layers": 1, "num_single_layers": 2, "attention_head_dim": 16, "num_attention_heads": 2,
              "joint_attention_dim": 32, "pooled_projection_dim": 32, "axes_dims_rope": (4, 6, 6)},
    "wide": {"num_layers": 1, "num_single_layers": 1},
}  # fmt: skip
"""`wide` has FLUX.1-dev's width, because some loaders know no other."""

_DOUBLE = {
    "img_attn.qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
    "txt_attn.qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
    "img_attn.proj": ("attn.to_out.0",),
    "txt_attn.proj": ("attn.to_add_out",),
    "img_mlp.0": ("ff.net.0.proj",),
    "img_mlp.2": ("ff.net.2",),
    "txt_mlp.0": ("ff_context.net.0.proj",),
    "txt_mlp.2": ("ff_context.net.2",),
    "img_mod.lin": ("norm1.linear",),
    "txt_mod.lin": ("norm1_context.linear",),
}
_SINGLE = {
    "linear1": ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"),
    "linear2": ("proj_out",),
    "modulation.lin": ("norm.linear",),
}


@dataclass(frozen=True)
class Case:
    """One adapter: its size and layers."""

    shape: str
    preset: str
    rank: int
    alpha: int

    @property
    def name(self) -> str:
        return f"{self.shape} {self.preset} {self.rank}/{self.alpha}"

    @property
    def folder(self) -> str:
        return self.name.replace(" ", "_").replace("/", "-")


def cases(shape: str) -> list[Case]:
    """Three presets by three ranks and alphas."""
    return [Case(shape, preset, rank, alpha) for preset in PRESETS for rank, alpha in RANKS]


def linear_layers(shape: str) -> dict[str, tuple[int, int]]:
    """Inputs and outputs of every linear layer of diffusers' transformer."""
    return linear_layers_of(SHAPES[shape])


def linear_layers_of(shape: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """The same of a transformer's configuration."""
    import torch
    from diffusers import FluxTransformer2DModel

    with torch.device("meta"):
        model = FluxTransformer2DModel(guidance_embeds=True, **shape)
    return {n: (m.in_features, m.out_features) for n, m in model.named_modules() if isinstance(m, torch.nn.Linear)}


def trained(case: Case) -> dict[str, torch.Tensor]:
    """Random matrices as a training would leave them, by their names in the checkpoint's file."""
    import torch

    from plein_air.families.flux1.targets import target_layers

    generator = torch.Generator().manual_seed(case.rank)
    tensors: dict[str, torch.Tensor] = {}
    for name, (inputs, outputs) in linear_layers(case.shape).items():
        if target_layers(case.preset).fullmatch(name):
            tensors[f"transformer.{name}.lora_A.weight"] = torch.randn(case.rank, inputs, generator=generator)
            tensors[f"transformer.{name}.lora_B.weight"] = torch.randn(outputs, case.rank, generator=generator) * 0.01
    return tensors


def write(case: Case, folder: Path) -> None:
    """The checkpoint's file, and what it is exported to."""
    from plein_air.exporting.export import KOHYA_FILE, About, file_of
    from plein_air.exporting.portable import portable
    from plein_air.families import flux1
    from plein_air.tensor_file import pack_tensors
    from plein_air.training.adapter import FILE, lora_header

    tensors = trained(case)
    modules = {n.removeprefix("transformer.").rsplit(".lora_", 1)[0] for n in tensors}
    source = folder / "trained.safetensors"
    folder.mkdir(parents=True, exist_ok=True)
    header = lora_header(case.rank, case.alpha, modules)
    source.write_bytes(pack_tensors(tensors, {"format": "pt", "lora_adapter_metadata": header}))
    adapter = portable(source)
    for kind, name in (("diffusers", FILE), ("kohya", KOHYA_FILE)):
        about = About("a title", "a trigger", "an author", "a license", "a base@0", 512, "2026-11-30")
        (folder / name).write_bytes(file_of(adapter, flux1, kind, about))


def sketch(change: torch.Tensor) -> torch.Tensor:
    """A layer's change (outputs, inputs) by a random matrix (inputs, COLUMNS) that only its width decides."""
    import torch

    generator = torch.Generator().manual_seed(change.shape[1])
    return change.float() @ torch.randn(change.shape[1], COLUMNS, generator=generator)


def expected(case: Case, names: set[str]) -> dict[str, torch.Tensor]:
    """Sketches of the trained changes, by the tool's names: diffusers' layers or the original code's fused ones."""
    import torch

    tensors = trained(case)
    layers = linear_layers(case.shape)
    plain: dict[str, torch.Tensor] = {}
    for name in {n.removeprefix("transformer.").rsplit(".lora_", 1)[0] for n in tensors}:
        a, b = (tensors[f"transformer.{name}.lora_{side}.weight"] for side in "AB")
        plain[name] = sketch(b @ a * (case.alpha / case.rank))
    if any(re.match(r"(single_)?transformer_blocks", name) for name in names):
        return plain
    fused: dict[str, torch.Tensor] = {}
    for single, table in ((False, _DOUBLE), (True, _SINGLE)):
        for index in range(SHAPES[case.shape]["num_single_layers" if single else "num_layers"]):
            for layer, parts in table.items():
                sources = [f"{'single_' if single else ''}transformer_blocks.{index}.{part}" for part in parts]
                if any(source in plain for source in sources):
                    name = f"{'single' if single else 'double'}_blocks.{index}.{layer}"
                    fused[name] = torch.cat([plain.get(s, torch.zeros(layers[s][1], COLUMNS)) for s in sources])
    return fused
