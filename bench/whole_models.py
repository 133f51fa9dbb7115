"""Writing a whole transformer with an adapter in it, beside diffusers' own way, at FLUX.1-dev's width and a part of its depth.

`gpu-worker/.venv/bin/python bench/whole_models.py [double blocks] [single blocks]`, after `npm run setup -- --dev`. Each way
runs in a process of its own, on one thread; memory is its most anonymous memory, looked at every 10 ms, beyond what its imports
take: mapped files, which the system may drop at any time, are not in it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).parent.parent / "gpu-worker" / "src"))
RANK, ALPHA = 16, 16
WAYS = ("ours, fused", "diffusers, fused", "ours, int8 too", "ours, nf4 too")


def build(folder: Path, double: int, single: int) -> None:
    """A random transformer of FLUX.1-dev's width in bf16, and an adapter for the attention of its blocks."""
    import torch
    from diffusers import FluxTransformer2DModel

    from plein_air.tensor_file import pack_tensors

    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    model: Any = FluxTransformer2DModel(num_layers=double, num_single_layers=single, guidance_embeds=True)
    model.save_pretrained(folder / "base" / "transformer", max_shard_size="1GB")
    (folder / "base" / "model_index.json").write_text("{}")
    pairs: dict[str, Any] = {}
    targets = []
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and ".attn.to_" in name:
            targets.append(name)
            out, into = module.weight.shape
            pairs[f"transformer.{name}.lora_A.weight"] = torch.randn(RANK, into, dtype=torch.float32) * 0.02
            pairs[f"transformer.{name}.lora_B.weight"] = torch.randn(out, RANK, dtype=torch.float32) * 0.02
    fields = {"r": RANK, "lora_alpha": ALPHA, "target_modules": targets, "peft_type": "LORA"}
    header = json.dumps({f"transformer.{key}": value for key, value in fields.items()})
    (folder / "adapter.safetensors").write_bytes(pack_tensors(pairs, {"format": "pt", "lora_adapter_metadata": header}))


def one_way(way: str, folder: Path) -> dict[str, float]:
    """Seconds and peak memory of one way of writing it."""
    import diffusers
    import peft  # noqa: F401
    import torch

    from plein_air.exporting import whole

    torch.set_num_threads(1)
    memory = Memory()
    started = time.monotonic()
    if way == "diffusers, fused":
        model: Any = diffusers.FluxTransformer2DModel.from_pretrained(
            folder / "base" / "transformer", torch_dtype=torch.bfloat16
        )
        model.load_lora_adapter(folder / "adapter.safetensors", prefix="transformer")
        model.fuse_lora()
        model.unload_lora()
        model.save_pretrained(folder / "theirs", max_shard_size="1GB")
    else:
        kind = "fused" if way == "ours, fused" else way.split()[1]
        params = {"base": str(folder / "base"), "adapter": str(folder / "adapter.safetensors"), "kinds": [kind]}
        silent = type("Silent", (), {"progress": lambda *_: None})()
        whole.run({**params, "precision": "bf16", "out": str(folder / "ours")}, silent, threading.Event())
    return {"seconds": round(time.monotonic() - started, 1), "peakMb": round(memory.most() / 1e6)}


class Memory:
    """The most anonymous memory of this process since now."""

    def __init__(self) -> None:
        """Looks from now on."""
        self._first = self._most = self._now()
        threading.Thread(target=self._look, daemon=True).start()

    def most(self) -> int:
        """Bytes beyond those at the beginning."""
        return self._most - self._first

    def _look(self) -> None:
        while True:
            self._most = max(self._most, self._now())
            time.sleep(0.01)

    def _now(self) -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


def size(folder: Path) -> int:
    """Bytes of the weights in a folder."""
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))


def largest_difference(folder: Path) -> float:
    """Between our weights and diffusers', relative to each weight's largest value."""
    from safetensors import safe_open

    worst = 0.0
    for file in sorted((folder / "ours" / "fused").glob("*.safetensors")):
        with safe_open(file, "pt") as ours, safe_open(folder / "theirs" / file.name, "pt") as theirs:
            for name in ours.keys():  # noqa: SIM118 - not a mapping
                a, b = ours.get_tensor(name).float(), theirs.get_tensor(name).float()
                worst = max(worst, float((a - b).abs().max() / a.abs().max().clamp(min=1e-9)))
    return worst


def main() -> None:
    """Builds, runs every way, prints one JSON object."""
    if sys.argv[1:2] == ["--build"]:
        build(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
        return
    if sys.argv[1:2] == ["--way"]:
        print(json.dumps(one_way(sys.argv[2], Path(sys.argv[3]))))
        return
    double, single = (int(n) for n in (sys.argv[1:3] or ("1", "2")))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        subprocess.run([sys.executable, __file__, "--build", temporary, str(double), str(single)], check=True)
        found: dict[str, Any] = {"baseMb": round(size(folder / "base" / "transformer") / 1e6)}
        for way in WAYS:
            command = [sys.executable, __file__, "--way", way, temporary]
            made = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            found[way] = json.loads(made.splitlines()[-1])
            print(way, found[way], file=sys.stderr, flush=True)
        found["mb"] = {kind: round(size(folder / "ours" / kind) / 1e6) for kind in ("fused", "int8", "nf4")}
        found["largestDifferenceToDiffusers"] = largest_difference(folder)
        print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
