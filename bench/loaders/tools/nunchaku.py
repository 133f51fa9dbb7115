"""nunchaku: its `to_diffusers`, which every LoRA goes through before it is packed for its kernels."""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

from tools.original import commit


def version(checkout: Path) -> str:
    return f"nunchaku {commit(checkout)}"


def prepare(checkout: Path) -> Any:
    # The package itself imports its CUDA kernels: only the converter and what it needs are loaded.
    for name in ("nunchaku", "nunchaku.lora", "nunchaku.lora.flux"):
        package = types.ModuleType(name)
        package.__path__ = [str(checkout / name.replace(".", "/"))]
        sys.modules[name] = package
    path = checkout / "nunchaku" / "lora" / "flux" / "diffusers_converter.py"
    spec = importlib.util.spec_from_file_location("nunchaku.lora.flux.diffusers_converter", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def load(file: Path, _shape: dict[str, Any]) -> dict[str, Any]:
        from safetensors.torch import load_file

        tried = len(load_file(file))
        converted = module.to_diffusers(str(file))
        stems = {name.rsplit(".lora_", 1)[0] for name in converted}
        changes = {
            stem.removeprefix("transformer."): converted[f"{stem}.lora_B.weight"] @ converted[f"{stem}.lora_A.weight"]
            for stem in stems
        }
        return {"tried": tried, "loaded": tried, "changes": changes}

    return load
