"""FLUX.1-dev at its full size with random weights: seconds a micro-step, peak VRAM and exact resume, profile by profile.

    python bench/full_size.py [--profiles t4 l4 a100 h100] [--micro-steps 8] [--folder DIR] [--tiny]

Needs a CUDA device and 24 GB of disk; no weights of anybody's. Encoded pictures and captions are random as well, in the
real shapes: VAE and text encoders are not there while training, so nothing of it is missing. Prints the rows of the table in
docs/performance.md. `--tiny` takes the shapes of the tests instead, to try the command on a CPU.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "gpu-worker" / "src"))

import torch

from plein_air.dataset.prepared import read_pictures
from plein_air.devices import prepare_torch
from plein_air.encoding.keys import latents_key, text_key
from plein_air.encoding.store import Store
from plein_air.families import open_base
from plein_air.loading import LoadOptions
from plein_air.training import train
from plein_air.training.trainer import Trainer

TINY = {"num_layers": 1, "num_single_layers": 2, "attention_head_dim": 16, "num_attention_heads": 2}
TINY |= {"joint_attention_dim": 32, "pooled_projection_dim": 32, "axes_dims_rope": (4, 6, 6)}
PICTURES = {"train": 8, "held_out": 2}
WEIGHT = 0.02
"""Standard deviation of the random weights: activations neither vanish nor overflow."""


def main() -> None:
    """Prints one row a profile."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profiles", nargs="+", default=["t4", "l4", "a100", "h100"])
    parser.add_argument("--micro-steps", type=int, default=8)
    parser.add_argument("--folder", type=Path, help="where the base is written, and kept")
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args()
    device = prepare_torch()
    if device.type != "cuda" and not options.tiny:
        parser.error("expected a CUDA device, got none: --tiny tries the command on a CPU")
    command = ["node", "scripts/ts.mjs", "bench/flux-needs.ts", "--json"]
    predicted = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)["profiles"]
    with tempfile.TemporaryDirectory(prefix="plein-air-full-size-") as scratch:
        base = write_base(options.folder or Path(scratch) / "base", TINY if options.tiny else {})
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
        say("card", "profile", "s a micro-step", "peak VRAM", "predicted in training", "bytes after resume")
        for profile in options.profiles:
            needs = predicted[profile]["needs"]
            training_part = 1.05 * (needs["baseBytes"] + needs["stateBytes"] + needs["activationBytes"]) + 0.6e9
            try:
                seconds, peak, same = measure(base, Path(scratch) / profile, predicted[profile], options)
                verdict = "equal" if same else "DIFFER"
                say(name, profile, f"{seconds:.3f}", f"{peak / 1e9:.1f} GB", f"{training_part / 1e9:.1f} GB", verdict)
            except Exception as error:
                say(
                    name,
                    profile,
                    f"{type(error).__name__}: {str(error)[:120]}",
                    "",
                    f"{training_part / 1e9:.1f} GB",
                    "",
                )


def say(*cells: str) -> None:
    """One row of the table."""
    sys.stdout.write(f"| {' | '.join(cells)} |\n")
    sys.stdout.flush()


def measure(base: Path, folder: Path, plan: dict[str, Any], options: argparse.Namespace) -> tuple[float, float, bool]:
    """Seconds a micro-step, peak bytes on the card, and whether a stopped training ends with the whole one's bytes."""
    side = 64 if options.tiny else plan["resolution"]
    accumulation = plan["training"]["accumulation"]
    steps = max(2, -(-options.micro_steps // accumulation))
    often = {"heldOutEvery": 1, "checkpointEvery": 10**6, "sampleEvery": 1, "earlyStopping": 0}
    training = {
        **plan["training"],
        **often,
        "steps": steps,
        "scheduleSteps": steps,
        "resolution": side,
        "warmupSteps": 1,
    }
    if options.tiny:
        training |= {"precision": "fp32", "quantization": "none", "rank": 4}
    write_dataset(folder / "dataset", side)
    write_cache(folder, base, training, side)
    params: dict[str, Any] = {
        "base": str(base),
        "baseCommit": "b",
        "datasetCommit": "d",
        "dataset": str(folder / "dataset"),
        "cache": str(folder / "cache"),
        "resumeFrom": None,
        "acceptDifferences": [],
        "stopAtStep": None,
        "training": training,
        "sampling": {"size": side, "inferenceSteps": 4, "guidance": 1},
    }
    seconds = time_micro_steps()
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    whole = run(params, folder / "whole")
    peak = torch.cuda.max_memory_reserved() if torch.cuda.is_available() else 0
    # The first one warms up.
    median = statistics.median(seconds[1:])
    half = run({**params, "stopAtStep": steps // 2}, folder / "half")
    resumed = run({**params, "resumeFrom": half["checkpoint"]}, folder / "resumed")
    return median, peak, resumed["adapterSha256"] == whole["adapterSha256"]


def time_micro_steps() -> list[float]:
    """A list that grows by the seconds of every micro-step from now on."""
    seconds: list[float] = []
    plain = getattr(Trainer._micro_step, "plain", Trainer._micro_step)

    def timed(self: Trainer) -> None:
        began = time.perf_counter()
        plain(self)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - began)

    timed.plain = plain  # pyright: ignore[reportFunctionMemberAccess]
    Trainer._micro_step = timed
    return seconds


class Silent:
    """An emitter that nobody hears."""

    def __getattr__(self, _name: str) -> Any:
        """Takes every event."""
        return lambda *_args, **_fields: None


def run(params: dict[str, Any], out: Path) -> dict[str, Any]:
    """One `train` request."""
    silent: Any = Silent()
    return train.run({**params, "out": str(out)}, silent, threading.Event())


def write_base(folder: Path, shape: dict[str, Any]) -> Path:
    """A base in diffusers' layout: the tiny one's small parts, and a transformer of random bf16 weights, block by block."""
    from diffusers import FluxTransformer2DModel
    from safetensors.torch import save_file

    if (folder / "written").exists():
        return folder
    shutil.copytree(
        ROOT / "gpu-worker" / "tiny-base", folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("transformer")
    )
    with torch.device("meta"):
        model = FluxTransformer2DModel(guidance_embeds=True, **shape)
    target = folder / "transformer"
    model.save_config(target)
    shards: dict[str, dict[str, torch.Size]] = {}
    for name, tensor in model.state_dict().items():
        parts = name.split(".")
        shards.setdefault(".".join(parts[:2]) if "blocks" in parts[0] else "outside", {})[name] = tensor.shape
    device = prepare_torch()
    generator = torch.Generator(device).manual_seed(0)
    weight_map: dict[str, str] = {}
    for number, shapes in enumerate(shards.values(), 1):
        file = f"diffusion_pytorch_model-{number:05d}-of-{len(shards):05d}.safetensors"
        tensors = {
            name: (torch.randn(shape, generator=generator, device=device) * WEIGHT).to(torch.bfloat16).cpu()
            for name, shape in shapes.items()
        }
        save_file(tensors, target / file, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(tensors, file)
    index = {"metadata": {}, "weight_map": weight_map}
    (target / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "written").touch()
    return folder


def write_dataset(folder: Path, side: int) -> None:
    """Pictures by name and size alone: their latents are in the cache."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    (folder / "data").mkdir(parents=True)
    for split, count in PICTURES.items():
        rows = [
            {
                "image": {"bytes": b"", "path": None},
                "id": hashlib.sha256(f"{split} {n}".encode()).hexdigest()[:16],
                "caption": f"{split} {n}",
                "width": side,
                "height": side,
                "flip_allowed": False,
            }
            for n in range(count)
        ]
        parquet.write_table(pa.Table.from_pylist(rows), folder / "data" / f"{split}-00000-of-00001.parquet")


def write_cache(folder: Path, path: Path, training: dict[str, Any], side: int) -> None:
    """Random latents and embeddings under the addresses that the real ones would have."""
    base = open_base(str(path), LoadOptions(training["precision"]))
    config = json.loads((path / "transformer" / "config.json").read_text())
    generator = torch.Generator().manual_seed(1)
    (folder / "cache").mkdir(parents=True)
    pictures = [p for split in PICTURES for p in read_pictures(str(folder / "dataset"), split)]
    entries = {
        latents_key(p, base): {"plain": torch.randn(16, side // 8, side // 8, generator=generator)} for p in pictures
    }
    for caption in {"", *(p.caption for p in pictures)}:
        entries[text_key(caption, base)] = {
            "sequence": torch.randn(512, config["joint_attention_dim"], generator=generator),
            "pooled": torch.randn(config["pooled_projection_dim"], generator=generator),
        }
    Store(folder / "cache").write(entries)


if __name__ == "__main__":
    main()
