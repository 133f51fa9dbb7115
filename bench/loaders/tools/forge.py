"""Stable Diffusion WebUI Forge: its `load_lora`, its keys for FLUX and its `merge_lora_to_weight`."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tools.original import commit, config, weights


def version(checkout: Path) -> str:
    return f"Forge {commit(checkout)}"


def prepare(checkout: Path) -> Any:
    sys.path.insert(0, str(checkout))
    sys.argv.append("--always-cpu")
    from backend.patcher.lora import load_lora, merge_lora_to_weight, model_lora_keys_unet
    from safetensors.torch import load_file

    def load(file: Path, shape: dict[str, Any]) -> dict[str, Any]:
        layers = {f"diffusion_model.{name}.weight": weight for name, weight in weights(shape).items()}
        model = SimpleNamespace(
            state_dict=lambda: layers,
            config=SimpleNamespace(huggingface_repo="black-forest-labs/FLUX.1-dev"),
            diffusion_model=SimpleNamespace(config=config(shape)),
        )
        stored = load_file(file)
        patches, left = load_lora(stored, model_lora_keys_unet(model, {}))
        by_weight: dict[str, list[Any]] = {}
        for key, patch in patches.items():
            name, offset = (key, None) if isinstance(key, str) else (key[0], key[1])
            by_weight.setdefault(name, []).append((1.0, patch, 1.0, offset, None))
        changes = {
            name.removeprefix("diffusion_model.").removesuffix(".weight"): merge_lora_to_weight(
                listed, layers[name].clone(), key=name
            )
            for name, listed in by_weight.items()
        }
        return {"tried": len(stored), "loaded": len(stored) - len(left), "changes": changes}

    return load
