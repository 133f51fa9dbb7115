"""sd-scripts: `create_network_from_weights` and `merge_to` on modules by its names; diffusers' file by its converter."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tools.original import commit, weights


def version(checkout: Path) -> str:
    return f"sd-scripts {commit(checkout)}"


def prepare(checkout: Path) -> Any:
    sys.path.insert(0, str(checkout))
    import torch
    from networks import lora_flux
    from networks.convert_flux_lora import convert_ai_toolkit_to_sd_scripts
    from safetensors.torch import load_file

    class DoubleStreamBlock(torch.nn.Module):
        """The class by whose name sd-scripts finds where a LoRA may go."""

    class SingleStreamBlock(torch.nn.Module):
        """The same for the single blocks."""

    def model_of(shape: dict[str, Any]) -> torch.nn.Module:
        model = torch.nn.Module()
        for name, weight in weights(shape).items():
            kind, index, *path = name.split(".")
            if not hasattr(model, kind):
                setattr(model, kind, torch.nn.ModuleList())
            blocks = getattr(model, kind)
            if len(blocks) <= int(index):
                blocks.append(DoubleStreamBlock() if kind == "double_blocks" else SingleStreamBlock())
            place = blocks[int(index)]
            for part in path[:-1]:
                if not hasattr(place, part):
                    place.add_module(part, torch.nn.Module())
                place = getattr(place, part)
            layer = torch.nn.Linear(1, 1, bias=False)
            layer.weight = torch.nn.Parameter(weight, requires_grad=False)
            layer.in_features, layer.out_features = weight.shape[1], weight.shape[0]
            place.add_module(path[-1], layer)
        return model

    def load(file: Path, shape: dict[str, Any]) -> dict[str, Any]:
        stored = load_file(file)
        tried = len(stored)
        left = 0
        if any(".lora_A." in name for name in stored):
            stored = convert_ai_toolkit_to_sd_scripts(stored)
        model = model_of(shape)
        network, _ = lora_flux.create_network_from_weights(1.0, None, None, [], model, weights_sd=stored)
        names = {lora.lora_name for lora in network.unet_loras}
        left += sum(name.split(".")[0] not in names for name in stored)
        # A module takes its alpha from the file here, as when a picture is generated.
        network.apply_to([], model, apply_text_encoder=False, apply_unet=True)
        network.load_state_dict(stored, strict=False)
        changes = {}
        for lora in network.unet_loras:
            scale = lora.scale
            name = next(n for n in weights_names(shape) if lora.lora_name == "lora_unet_" + n.replace(".", "_"))
            changes[name] = (lora.lora_up.weight @ lora.lora_down.weight) * scale
        return {"tried": tried, "loaded": tried - left, "changes": changes}

    def weights_names(shape: dict[str, Any]) -> list[str]:
        return list(weights(shape))

    return load
