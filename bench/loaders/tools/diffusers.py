"""`load_lora_weights` of the diffusers that is installed, on a pipeline without anything but the transformer."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def version(_checkout: Path) -> str:
    import diffusers as package
    import peft

    return f"diffusers {package.__version__}, peft {peft.__version__}"


def prepare(_checkout: Path) -> Any:
    import torch
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
    from peft.tuners.lora import LoraLayer
    from safetensors import safe_open

    models: dict[int, Any] = {}

    def load(file: Path, shape: dict[str, Any]) -> dict[str, Any]:
        if id(shape) not in models:
            with torch.device("meta"):
                model = FluxTransformer2DModel(guidance_embeds=True, **shape)
            models[id(shape)] = model.to_empty(device="cpu")
        nothing = dict.fromkeys(("vae", "text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2"))
        scheduler = FlowMatchEulerDiscreteScheduler()
        pipeline = FluxPipeline(scheduler=scheduler, transformer=models[id(shape)], **nothing)
        with safe_open(file, "pt") as tensors:
            tried = len([name for name in tensors.keys() if not name.endswith(".alpha")])  # noqa: SIM118
        try:
            pipeline.load_lora_weights(str(file.parent), weight_name=file.name, adapter_name="a")
            layers = {n: m for n, m in pipeline.transformer.named_modules() if isinstance(m, LoraLayer)}
            changes = {n: m.get_delta_weight("a").clone() for n, m in layers.items()}
        finally:
            if getattr(pipeline.transformer, "peft_config", None):
                pipeline.unload_lora_weights()
        # A fused file's matrices become several: what was read is what was there.
        return {"tried": tried, "loaded": tried if changes else 0, "changes": changes}

    return load
