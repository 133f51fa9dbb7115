"""peft alone: its own configuration from the header, its own loading of the matrices."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def version(_checkout: Path) -> str:
    import peft

    return f"peft {peft.__version__}"


def prepare(_checkout: Path) -> Any:
    from diffusers import FluxTransformer2DModel
    from peft import LoraConfig, get_peft_model, set_peft_model_state_dict
    from peft.tuners.lora import LoraLayer
    from safetensors import safe_open

    def load(file: Path, shape: dict[str, Any]) -> dict[str, Any]:
        with safe_open(file, "pt") as stored:
            header = json.loads(stored.metadata()["lora_adapter_metadata"])
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        config = LoraConfig(**{key.removeprefix("transformer."): value for key, value in header.items()})
        model = get_peft_model(FluxTransformer2DModel(guidance_embeds=True, **shape), config)
        state = {name.replace("transformer.", "base_model.model.", 1): tensor for name, tensor in tensors.items()}
        answer = set_peft_model_state_dict(model, state)
        layers = {n: m for n, m in model.named_modules() if isinstance(m, LoraLayer)}
        changes = {n.removeprefix("base_model.model."): m.get_delta_weight("default") for n, m in layers.items()}
        return {"tried": len(tensors), "loaded": len(tensors) - len(answer.unexpected_keys), "changes": changes}

    return load
