"""Kills the evaluator at random moments: the report has the same bytes, and no picture is painted twice.

    python test/chaos/kill_evaluator.py [--kills 6] [--seed 0]

The trainer's own process (`python -m plein_air`) samples base and candidate of a small random FLUX and measures them.
It gets SIGKILL after a random number of events, again and again, and goes on in the same folder; then once without.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[2]
sys.path[:0] = [str(PROJECT / "gpu-worker" / "src"), str(PROJECT / "gpu-worker" / "tests")]
os.environ["OMP_NUM_THREADS"] = "1"


def main() -> None:
    """Exits with 1 where a report differs or a picture was painted twice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="plein-air-kill-evaluator-") as root:
        prepared = prepare(Path(root))
        whole = run(Path(root) / "whole", prepared, [])
        draw = random.Random(asked.seed)
        # A kill's place in the stream of a process's events, of which there are a dozen.
        killed = run(Path(root) / "killed", prepared, [draw.randrange(1, 6) for _ in range(asked.kills)])
        print(f"report {whole['report'][:16]} without a kill, {killed['report'][:16]} after {killed['kills']} kills")
        print(f"{killed['pictures']} pictures, {killed['twice']} of them written twice")
        sys.exit(0 if whole["report"] == killed["report"] and killed["twice"] == 0 and killed["kills"] > 0 else 1)


def prepare(root: Path) -> dict[str, Any]:
    import painted_sets
    import small_flux
    import torch
    from safetensors.torch import save_file

    from plein_air.devices import prepare_torch

    prepare_torch()
    base = small_flux.build(root / "base")
    dataset = root / "dataset"
    painted_sets.write_dataset(dataset)
    name = "transformer.transformer_blocks.0.attn.to_q"
    random_values = torch.Generator().manual_seed(0)
    shapes = {"lora_A": (4, 32), "lora_B": (32, 4)}
    tensors = {f"{name}.{part}.weight": torch.randn(*shape, generator=random_values) for part, shape in shapes.items()}
    adapter = root / "pytorch_lora_weights.safetensors"
    save_file(tensors, adapter)
    return {"base": str(base), "dataset": str(dataset), "adapter": str(adapter), "samples": painted_sets.SAMPLES}


def run(out: Path, p: dict[str, Any], kills: list[int]) -> dict[str, Any]:
    """Asks until the report is there; after so many events of a process it is killed, as long as kills are left."""
    seen: dict[str, int] = {}
    twice = done = 0
    left = list(kills)
    while not (out / "report" / "report.json").is_file() or left:
        if (out / "report" / "report.json").is_file():
            break
        done += attempt(out, p, left.pop(0) if left else None)
        for picture in out.glob("*/*.png"):
            if picture.parent.name not in ("base", "candidate"):
                continue
            written = picture.stat().st_mtime_ns
            twice += seen.get(str(picture), written) != written
            seen[str(picture)] = written
    data = (out / "report" / "report.json").read_bytes()
    return {"report": hashlib.sha256(data).hexdigest(), "kills": done, "pictures": len(seen), "twice": twice}


def attempt(out: Path, p: dict[str, Any], kill_after: int | None) -> bool:
    """One process; True when it was killed before it was done."""
    samples = [{"id": s["id"], "prompt": s["prompt"], "seed": i} for i, s in enumerate(p["samples"])]
    painting = {
        "base": p["base"], "adapterScale": 1, "samples": samples, "size": 64, "inferenceSteps": 2, "guidance": 1,
        "precision": "fp32", "quantization": "none", "offloadBlocks": 0,
    }  # fmt: skip
    full = [{**s, "text": s["prompt"], "trigger": True, "sealed": False} for s in p["samples"]]
    measuring = {
        "base": p["base"], "adapter": p["adapter"], "dataset": p["dataset"], "baseSamples": str(out / "base"),
        "candidateSamples": str(out / "candidate"), "rivals": [], "parity": None, "encoder": "efficientnet-lite0",
        "models": [], "samples": full, "heldOutLoss": None, "confidence": 0.95, "seed": 0,
        "reference": "test", "out": str(out / "report"),
    }  # fmt: skip
    requests = [
        ("sample", {**painting, "adapter": None, "out": str(out / "base")}),
        ("sample", {**painting, "adapter": p["adapter"], "out": str(out / "candidate")}),
        ("evaluate", measuring),
    ]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "gpu-worker" / "src")}
    process = subprocess.Popen(
        [sys.executable, "-m", "plein_air"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True, env=environment,
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None
    lines = [json.dumps({"id": str(i), "verb": verb, "params": params}) for i, (verb, params) in enumerate(requests)]
    process.stdin.write("\n".join(lines) + "\n")
    process.stdin.flush()
    events = results = 0
    killed = False
    for line in process.stdout:
        event = json.loads(line)
        events += event["event"] == "progress"
        results += event["event"] == "result"
        if event["event"] == "error":
            raise SystemExit(f"expected a result, got {event['message']}")
        if kill_after is not None and events >= kill_after:
            process.send_signal(signal.SIGKILL)
            killed = True
            break
        if results == len(requests):
            break
    process.stdin.close()
    process.wait()
    return killed


if __name__ == "__main__":
    main()
