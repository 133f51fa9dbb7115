"""InvokeAI: recognizes the format as its import does, then its own layers' weights."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tools.original import commit, weights


def version(checkout: Path) -> str:
    return f"InvokeAI {commit(checkout)}"


def prepare(checkout: Path) -> Any:
    sys.path.insert(0, str(checkout))
    from invokeai.backend.model_manager.taxonomy import FluxLoRAFormat
    from invokeai.backend.patches.lora_conversions import flux_diffusers_lora_conversion_utils as plain
    from invokeai.backend.patches.lora_conversions import flux_kohya_lora_conversion_utils as kohya
    from invokeai.backend.patches.lora_conversions.formats import flux_format_from_state_dict
    from safetensors import safe_open

    def load(file: Path, shape: dict[str, Any]) -> dict[str, Any]:
        with safe_open(file, "pt") as tensors:
            metadata = tensors.metadata()
            stored = {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118
        found = flux_format_from_state_dict(stored, metadata)
        if found == FluxLoRAFormat.Kohya:
            model = kohya.lora_model_from_flux_kohya_state_dict(stored)
        elif found == FluxLoRAFormat.Diffusers:
            model = plain.lora_model_from_flux_diffusers_state_dict(stored, alpha=None)
        else:
            raise ValueError(f"format {found}")
        layers = weights(shape)
        changes = {}
        for key, layer in model.layers.items():
            name = key.removeprefix("lora_transformer-")
            changes[name] = layer.get_parameters({"weight": layers[name]}, weight=1.0)["weight"]
        return {"tried": len(stored), "loaded": len(stored), "changes": changes}

    return load
