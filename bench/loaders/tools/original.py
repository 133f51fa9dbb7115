"""Names and shapes of the original FLUX code's layers, for tools that hold the model so."""

from __future__ import annotations

from typing import Any

import torch


def weights(shape: dict[str, Any]) -> dict[str, torch.Tensor]:
    """A zero weight of every layer that a LoRA may change; large ones cost nothing before they are written to."""
    width = shape.get("attention_head_dim", 128) * shape.get("num_attention_heads", 24)
    double = {"qkv": (3, 1), "proj": (1, 1), "mlp.0": (4, 1), "mlp.2": (1, 4), "mod.lin": (6, 1)}
    single = {"linear1": (7, 1), "linear2": (1, 5), "modulation.lin": (3, 1)}
    sizes: dict[str, tuple[int, int]] = {}
    for index in range(shape["num_layers"]):
        for stream in ("img", "txt"):
            for layer, size in double.items():
                name = f"{stream}_{layer}" if layer.startswith("m") else f"{stream}_attn.{layer}"
                sizes[f"double_blocks.{index}.{name}"] = size
    for index in range(shape["num_single_layers"]):
        sizes |= {f"single_blocks.{index}.{layer}": size for layer, size in single.items()}
    return {name: torch.zeros(rows * width, columns * width) for name, (rows, columns) in sizes.items()}


def config(shape: dict[str, Any]) -> dict[str, int]:
    """The sizes by the original code's names."""
    width = shape.get("attention_head_dim", 128) * shape.get("num_attention_heads", 24)
    return {"depth": shape["num_layers"], "depth_single_blocks": shape["num_single_layers"], "hidden_size": width}


def commit(checkout: Any) -> str:
    """The checkout's commit, from a file COMMIT beside it or from git."""
    import subprocess

    noted = checkout / "COMMIT"
    if noted.is_file():
        return noted.read_text().strip()[:10]
    command = ["git", "-C", str(checkout), "rev-parse", "--short=10", "HEAD"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
