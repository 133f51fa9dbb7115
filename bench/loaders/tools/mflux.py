"""mflux: its `LoRALoader` with its mapping for FLUX on a tree of MLX layers."""

from __future__ import annotations

import itertools
import re
import sys
from pathlib import Path
from typing import Any

from tools.original import commit


def version(checkout: Path) -> str:
    return f"mflux {commit(checkout)}"


def prepare(checkout: Path) -> Any:
    sys.path.insert(0, str(checkout / "src"))
    import mlx.core as mx
    import numpy as np
    import torch
    from adapters import linear_layers_of
    from mflux.models.common.lora.layer.linear_lora_layer import LoRALinear
    from mflux.models.common.lora.mapping.lora_loader import LoRALoader
    from mflux.models.flux.weights.flux_lora_mapping import FluxLoRAMapping
    from mlx import nn

    mappings = LoRALoader._build_pattern_mappings(FluxLoRAMapping.get_mapping())

    def mlx_name(name: str) -> str:
        """Mflux names a feed-forward's layers otherwise than diffusers."""
        return name.replace("net.0.proj", "linear1").replace("net.2", "linear2")

    def load(file: Path, shape: dict[str, Any]) -> dict[str, Any]:
        layers = linear_layers_of(shape)
        root = nn.Module()
        for name, (inputs, outputs) in layers.items():
            if "transformer_blocks" not in name:
                continue
            layer = nn.Linear(1, 1, bias=False)
            layer.weight = mx.zeros((outputs, inputs))
            put(root, mlx_name(name).split("."), layer)
        stored = dict(mx.load(str(file), return_metadata=True)[0].items())
        _, matched = LoRALoader._apply_lora_with_mapping(root, stored, 1.0, mappings, role=None)
        changes = {}
        for name in layers:
            if "transformer_blocks" not in name:
                continue
            found = get(root, mlx_name(name).split("."))
            if isinstance(found, LoRALinear):
                change = (found.lora_A @ found.lora_B).T * found.scale
                changes[name] = torch.from_numpy(np.array(change))
        return {"tried": len(stored), "loaded": len(matched), "changes": changes}

    def put(place: Any, path: list[str], layer: Any) -> None:
        for part, following in itertools.pairwise(path):
            child = place.get(part) if isinstance(place, dict) else None
            if isinstance(place, list):
                while len(place) <= int(part):
                    place.append(nn.Module())
                place = place[int(part)]
                continue
            if child is None:
                child = [] if re.fullmatch(r"\d+", following) else nn.Module()
                setattr(place, part, child)
            place = getattr(place, part)
        if isinstance(place, list):
            place.append(layer)
        else:
            setattr(place, path[-1], layer)

    def get(place: Any, path: list[str]) -> Any:
        for part in path:
            place = place[int(part)] if isinstance(place, list) else getattr(place, part)
        return place

    return load
