"""ai-toolkit: its `LoRASpecialNetwork` on diffusers' transformer and its `load_weights`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tools.original import commit


def version(checkout: Path) -> str:
    return f"ai-toolkit {commit(checkout)}"


def prepare(checkout: Path) -> Any:
    sys.path.insert(0, str(checkout))
    from diffusers import FluxTransformer2DModel
    from safetensors.torch import load_file
    from toolkit.lora_special import LoRASpecialNetwork

    def load(file: Path, shape: dict[str, Any]) -> dict[str, Any]:
        stored = load_file(file)
        rank = next(t.shape[0] for n, t in stored.items() if ".lora_A." in n or ".lora_down." in n)
        model = FluxTransformer2DModel(guidance_embeds=True, **shape)
        network = LoRASpecialNetwork(
            text_encoder=None, unet=model, lora_dim=rank, alpha=rank, train_unet=True, train_text_encoder=False,
            is_flux=True, is_transformer=True, transformer_only=True, use_bias=False,
            target_lin_modules=["FluxTransformer2DModel"],
        )  # fmt: skip
        network.apply_to(None, model, False, True)
        extra = network.load_weights(stored) or {}
        changes = {}
        for lora in network.unet_loras:
            name = lora.lora_name.replace("$$", ".").removeprefix("transformer.")
            change = (lora.lora_up.weight @ lora.lora_down.weight) * lora.scale
            if change.any():
                changes[name] = change
        return {"tried": len(stored), "loaded": len(stored) - len(extra), "changes": changes}

    return load
