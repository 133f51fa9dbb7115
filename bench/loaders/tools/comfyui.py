"""ComfyUI: `model_lora_keys_unet`, `convert_lora`, `load_lora` and `calculate_weight` on its own Flux class."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tools.original import commit, config, weights


def version(checkout: Path) -> str:
    return f"ComfyUI {commit(checkout)}"


def prepare(checkout: Path) -> Any:
    sys.path.insert(0, str(checkout))
    sys.argv.append("--cpu")
    import comfy.options

    comfy.options.enable_args_parsing()
    import comfy.lora
    import comfy.lora_convert
    import comfy.model_base
    import comfy.utils
    import torch

    def load(file: Path, shape: dict[str, Any]) -> dict[str, Any]:
        layers = {f"diffusion_model.{name}.weight": weight for name, weight in weights(shape).items()}
        model = object.__new__(comfy.model_base.Flux)
        torch.nn.Module.__init__(model)
        model.state_dict = lambda: layers
        model.model_config = SimpleNamespace(unet_config=config(shape))
        keys = comfy.lora.model_lora_keys_unet(model, {})
        stored = comfy.lora_convert.convert_lora(comfy.utils.load_torch_file(str(file)))
        with Missed("lora key not loaded") as missed:
            patches = comfy.lora.load_lora(stored, keys)
        by_weight: dict[str, list[Any]] = {}
        for key, patch in patches.items():
            name, offset = (key, None) if isinstance(key, str) else (key[0], key[1])
            by_weight.setdefault(name, []).append((1.0, patch, 1.0, offset, None))
        changes = {}
        for name, listed in by_weight.items():
            changed = comfy.lora.calculate_weight(listed, layers[name].clone(), name)
            changes[name.removeprefix("diffusion_model.").removesuffix(".weight")] = changed
        return {"tried": len(stored), "loaded": len(stored) - missed.count, "changes": changes}

    return load


class Missed:
    """Counts the log's lines that begin with `words`."""

    def __init__(self, words: str) -> None:
        import logging

        self.count = 0
        self._handler = logging.Handler(logging.WARNING)
        self._handler.emit = lambda record: self._hear(record.getMessage(), words)

    def _hear(self, message: str, words: str) -> None:
        self.count += message.startswith(words)

    def __enter__(self) -> Missed:
        import logging

        logging.getLogger().addHandler(self._handler)
        return self

    def __exit__(self, *_: object) -> None:
        import logging

        logging.getLogger().removeHandler(self._handler)
