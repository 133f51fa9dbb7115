"""The exported adapter against the key maps that ComfyUI and sd-scripts publish, every layer of FLUX.1-dev.

    python bench/kohya_names.py --comfyui CHECKOUT --sd-scripts CHECKOUT

Neither is part of this project: take checkouts of them. From their sources are run, as they stand: ComfyUI's
`model_lora_keys_unet` (comfy/lora.py) and `flux_to_diffusers` (comfy/utils.py), and both directions of sd-scripts'
networks/convert_flux_lora.py. FLUX.1-dev's 57 blocks with a LoRA on every linear layer, at a width of 8.
"""

from __future__ import annotations

import argparse
import ast
import json
import logging
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "gpu-worker" / "src"))

import torch

from plein_air.families.flux1.kohya import to_kohya

WIDTH, RANK = 8, 2
BLOCKS = {
    "transformer_blocks": (
        19,
        {
            **dict.fromkeys(("attn.to_q", "attn.to_k", "attn.to_v", "attn.to_out.0"), (1, 1)),
            **dict.fromkeys(("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj", "attn.to_add_out"), (1, 1)),
            **dict.fromkeys(("ff.net.0.proj", "ff_context.net.0.proj"), (4, 1)),
            **dict.fromkeys(("ff.net.2", "ff_context.net.2"), (1, 4)),
            **dict.fromkeys(("norm1.linear", "norm1_context.linear"), (6, 1)),
        },
    ),
    "single_transformer_blocks": (
        38,
        {
            **dict.fromkeys(("attn.to_q", "attn.to_k", "attn.to_v"), (1, 1)),
            "proj_mlp": (4, 1),
            "proj_out": (1, 5),
            "norm.linear": (3, 1),
        },
    ),
}
"""Rows and columns of every linear layer in widths."""


def main() -> None:
    """Prints what was compared; ends with 1 where anything differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--comfyui", required=True, type=Path)
    parser.add_argument("--sd-scripts", required=True, type=Path)
    options = parser.parse_args()
    adapter = whole_adapter()
    # alpha equal to rank, because sd-scripts' converter writes no other.
    ours = to_kohya(adapter, alpha=RANK)
    problems = [
        *against_sd_scripts(options.sd_scripts, adapter, ours),
        *against_comfyui(options.comfyui, adapter, ours),
    ]
    counts = {"layers": len(adapter) // 2, "tensors": len(ours), "problems": problems}
    sys.stdout.write(json.dumps(counts, indent=1) + "\n")
    sys.exit(1 if problems else 0)


def whole_adapter() -> dict[str, torch.Tensor]:
    """A LoRA on every linear layer of every block, by diffusers' names."""
    generator = torch.Generator().manual_seed(1)
    adapter: dict[str, torch.Tensor] = {}
    for kind, (count, layers) in BLOCKS.items():
        for index in range(count):
            for layer, (rows, columns) in layers.items():
                name = f"transformer.{kind}.{index}.{layer}"
                adapter[f"{name}.lora_A.weight"] = torch.randn(RANK, columns * WIDTH, generator=generator)
                adapter[f"{name}.lora_B.weight"] = torch.randn(rows * WIDTH, RANK, generator=generator)
    return adapter


def against_sd_scripts(checkout: Path, adapter: dict[str, torch.Tensor], ours: dict[str, torch.Tensor]) -> list[str]:
    """Their converter gives our file from the adapter, and the adapter from our file, bit for bit."""
    code = functions(checkout / "networks" / "convert_flux_lora.py", {"torch": torch, "logger": logging.getLogger()})
    theirs = code["convert_ai_toolkit_to_sd_scripts"](dict(adapter))
    restored = from_theirs(code, dict(ours))
    return [*differing("sd-scripts", theirs, ours), *differing("sd-scripts, back", restored, adapter)]


def from_theirs(code: dict[str, Any], file: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What their converter reads from a kohya file; the widths that it names are those of this adapter."""
    plain = code["convert_to_ai_toolkit_cat"]

    def narrower(source: Any, target: Any, key: str, keys: list[str], dims: list[int] | None = None) -> None:
        plain(source, target, key, keys, dims and [size * WIDTH // 3072 for size in dims])

    code["convert_to_ai_toolkit_cat"] = narrower
    return code["convert_sd_scripts_to_ai_toolkit"](file)


def against_comfyui(checkout: Path, adapter: dict[str, torch.Tensor], ours: dict[str, torch.Tensor]) -> list[str]:
    """Every name of ours is one they look for, and the update of every row is that of the layer they put there."""
    config = {"depth": 19, "depth_single_blocks": 38, "hidden_size": WIDTH}
    utils = functions(checkout / "comfy" / "utils.py", {"torch": torch})
    diffusers_map = utils["flux_to_diffusers"](config, output_prefix="diffusion_model.")
    layers = {to if isinstance(to, str) else to[0] for to in diffusers_map.values()}
    flux = type("Flux", (), {})
    model = flux()
    model.state_dict = lambda: dict.fromkeys(layers)
    model.model_config = SimpleNamespace(unet_config=config)
    kinds: Any = type("Kinds", (), {"Flux": flux, "__getattr__": lambda _self, name: type(name, (), {})})()
    comfy = SimpleNamespace(
        model_base=kinds, utils=SimpleNamespace(**{**utils, "unet_to_diffusers": lambda _config: {}})
    )
    key_map = functions(checkout / "comfy" / "lora.py", {"comfy": comfy})["model_lora_keys_unet"](model, {})
    stems = {name.removesuffix(".alpha") for name in ours if name.endswith(".alpha")}
    problems = [f"ComfyUI does not look for {stem}" for stem in sorted(stems - key_map.keys())]
    updates = {
        key_map[stem]: ours[f"{stem}.alpha"]
        / ours[f"{stem}.lora_down.weight"].shape[0]
        * ours[f"{stem}.lora_up.weight"]
        @ ours[f"{stem}.lora_down.weight"]
        for stem in stems & key_map.keys()
    }
    for name in (n.removesuffix(".lora_A.weight") for n in adapter if n.endswith(".lora_A.weight")):
        to = key_map.get(name)
        layer, rows = (to, None) if isinstance(to, str) or to is None else (to[0], to[1])
        found = updates.get(layer)
        expected = adapter[f"{name}.lora_B.weight"] @ adapter[f"{name}.lora_A.weight"]
        if found is not None and rows is not None:
            found = found.narrow(*rows)
        if found is None or not torch.allclose(found, expected, atol=1e-5):
            problems.append(f"ComfyUI changes {layer} otherwise than {name}")
    return problems


def differing(where: str, theirs: dict[str, torch.Tensor], ours: dict[str, torch.Tensor]) -> list[str]:
    """Names that one side lacks, and tensors that are not equal."""
    names = [f"{where}: only theirs {n}" for n in theirs.keys() - ours.keys()]
    names += [f"{where}: only ours {n}" for n in ours.keys() - theirs.keys()]
    return names + [f"{where}: {n} differs" for n in theirs.keys() & ours.keys() if not theirs[n].equal(ours[n])]


def functions(source: Path, names: dict[str, Any]) -> dict[str, Any]:
    """The functions of a file, without what it imports."""
    tree = ast.parse(source.read_text())
    future: list[ast.stmt] = [
        ast.ImportFrom(module="__future__", names=[ast.alias(name="annotations")], level=0),
        *(node for node in tree.body if isinstance(node, ast.FunctionDef)),
    ]
    for node in future[1:]:
        assert isinstance(node, ast.FunctionDef)
        node.decorator_list = []
        node.args.defaults = [
            d if isinstance(d, ast.Constant | ast.Dict) else ast.Constant(None) for d in node.args.defaults
        ]
    code = ast.fix_missing_locations(ast.Module(body=future, type_ignores=[]))
    space = dict(names)
    exec(compile(code, str(source), "exec"), space)
    return space


if __name__ == "__main__":
    main()
